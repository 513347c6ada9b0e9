import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EndpointSlice, Ingress, IngressClass, Pod, Service } from '../../../src/api/kinds.ts'
import { onNode, run, stormo } from '../../support/cluster.ts'
import { apiBehaviours } from './api-behaviours.ts'
import {
  eventually,
  fetchLine,
  type NetworkCluster,
  serverPod,
  service,
  startNetworkCluster,
  tally,
  udpClient,
} from './fixture.ts'
import { withCustomResources, withWebhook } from './other-controllers.ts'
import { proxyBehaviours } from './proxy-behaviours.ts'
import { serviceBehaviours } from './service-behaviours.ts'

/**
 * The behaviours that the conformance list asks for in the area sig-network, across three machines. A test is named as
 * the list names it; scripts/conformance-table.ts makes docs/conformance-network.md of the names.
 */
const web = [{ name: 'http', port: 80, targetPort: 8080 }]
let cluster: NetworkCluster
let nodes: readonly string[]
const servers = ['server-1', 'server-2', 'server-3']
const addresses = new Map<string, string>()

beforeAll(async () => {
  cluster = await startNetworkCluster('netconf')
  nodes = cluster.nodes
  await cluster.apply(
    ...servers.map((name, index) => serverPod(name, nodes[index]!, { app: 'server', one: name })),
    service('web', { selector: { app: 'server' }, ports: web }),
  )
  await cluster.kubectlOk(['wait', '--for=condition=Ready', 'pod', '-l', 'app=server', '--timeout=60s'])
  for (const pod of (await cluster.get<{ items: Pod[] }>('pods', '-l', 'app=server')).items)
    addresses.set(pod.metadata.name!, pod.status!.podIP!)
  for (const name of servers) await cluster.serveUdp(name)
  await eventually('all endpoints', async () => (await endpointsOf('web')).length === 3)
})

afterAll(async () => await cluster?.stop())

async function endpointsOf(name: string): Promise<string[]> {
  const { items } = await cluster.get<{ items: EndpointSlice[] }>(
    'endpointslices',
    '-l',
    `kubernetes.io/service-name=${name}`,
  )
  return items.flatMap((slice) => slice.endpoints ?? []).flatMap((one) => (one.conditions?.ready ? one.addresses : []))
}

const getService = (name: string): Promise<Service> => cluster.get<Service>('service', name)
const patch = (name: string, spec: object): Promise<string> =>
  cluster.kubectlOk(['patch', 'service', name, '--type=merge', '-p', JSON.stringify({ spec })])

async function outside(url: string, ...args: string[]): Promise<string> {
  const { code, stdout } = await run('curl', ['-sS', '-m', '3', ...args, url])
  return code === 0 ? stdout.trimEnd() : `exit ${code}`
}

/** Until a pod gets an answer that fits; rules and names follow a change within moments, not at once. */
const answers = (pod: string, line: string, fits: (answer: string) => boolean): Promise<string> =>
  eventually(`${pod}: ${line}`, async () => {
    const answer = await cluster.sh(pod, line)
    return fits(answer) && answer
  })

describe('Networking Granular Checks: Pods', () => {
  test('should function for intra-pod communication: http', async () => {
    for (const from of servers)
      for (const to of servers) expect(await cluster.sh(from, fetchLine(`http://${addresses.get(to)}:8080/`))).toBe(to)
  })

  test('should function for intra-pod communication: udp', async () => {
    for (const to of servers) expect(await cluster.askUdp('server-1', addresses.get(to)!, 9090)).toBe(to)
  })

  test('should function for node-pod communication: http', async () => {
    for (const node of nodes)
      for (const to of servers)
        expect((await onNode(node, 'curl', '-s', '-m', '3', `http://${addresses.get(to)}:8080/`)).stdout.trim()).toBe(
          to,
        )
  })

  test('should function for node-pod communication: udp', async () => {
    const { stdout } = await onNode(nodes[0]!, 'python3', '-c', udpClient, addresses.get('server-3')!, '9090')
    expect(stdout.trim()).toBe('server-3')
  })
})

describe('DNS', () => {
  const lookup = (name: string): string => `nslookup ${name} 2>/dev/null | tail -n +3 | awk '/^Address/ {print $NF}'`

  test('should provide DNS for the cluster', async () => {
    const { spec } = await getService('kubernetes')
    for (const from of servers)
      expect(await cluster.sh(from, lookup('kubernetes.default.svc.cluster.local'))).toContain(spec!.clusterIP)
  })

  test('should provide DNS for services', async () => {
    const { spec } = await getService('web')
    expect(await cluster.sh('server-2', fetchLine('http://web.default.svc.cluster.local/'))).toMatch(/^server-/)
    expect(await cluster.sh('server-2', lookup('web.default.svc.cluster.local'))).toContain(spec!.clusterIP)
  })

  test('should resolve DNS of partial qualified names for services', async () => {
    for (const name of ['web', 'web.default', 'web.default.svc'])
      expect(await cluster.sh('server-1', fetchLine(`http://${name}/`))).toMatch(/^server-/)
    const srv = 'nslookup -type=srv _http._tcp.web.default.svc.cluster.local'
    expect(await cluster.sh('server-1', srv)).toContain('web.default.svc.cluster.local')
  })

  test('should provide DNS for pods for Subdomain', async () => {
    await cluster.apply(
      service('inner', { clusterIP: 'None', selector: { part: 'inner' }, ports: web }),
      serverPod('querier', nodes[1]!, { part: 'inner' }, { hostname: 'host-of-querier', subdomain: 'inner' }),
    )
    await cluster.kubectlOk(['wait', '--for=condition=Ready', 'pod/querier', '--timeout=30s'])
    const { status } = await cluster.get<Pod>('pod', 'querier')
    await answers('server-1', lookup('host-of-querier.inner.default.svc.cluster.local'), (text) =>
      text.includes(status!.podIP!),
    )
    expect(await cluster.sh('server-1', lookup('inner.default.svc.cluster.local'))).toContain(status!.podIP)
  })

  test('should provide DNS for pods for Hostname', async () => {
    const { status } = await cluster.get<Pod>('pod', 'querier')
    expect(await cluster.sh('querier', 'hostname -f')).toBe('host-of-querier.inner.default.svc.cluster.local')
    expect(await cluster.sh('querier', 'grep host-of-querier /etc/hosts')).toContain(status!.podIP)
  })

  test('should provide /etc/hosts entries for the cluster', async () => {
    expect(await cluster.sh('server-1', 'cat /etc/hosts')).toMatch(
      new RegExp(`${addresses.get('server-1')}\\s+server-1`),
    )
  })

  test('should provide DNS for ExternalName services', async () => {
    await cluster.apply(service('alias', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' }))
    const { spec } = await getService('web')
    await answers('server-1', lookup('alias.default.svc.cluster.local'), (text) => text.includes(spec!.clusterIP!))
  })

  test('should support configurable pod DNS nameservers', async () => {
    const dnsConfig = { nameservers: ['1.1.1.1'], searches: ['resolv.conf.local'] }
    await cluster.apply(serverPod('own-dns', nodes[2]!, { app: 'dns' }, { dnsPolicy: 'None', dnsConfig }))
    await cluster.kubectlOk(['wait', '--for=condition=Ready', 'pod/own-dns', '--timeout=30s'])
    const text = await cluster.sh('own-dns', 'cat /etc/resolv.conf')
    expect(text).toMatch(/nameserver 1\.1\.1\.1/)
    expect(text).toMatch(/search resolv\.conf\.local/)
  })
})

describe('Services', () => {
  test('should provide secure master service', async () => {
    expect((await getService('kubernetes')).spec?.ports).toMatchObject([{ name: 'https', port: 443 }])
    for (const from of servers)
      expect(await cluster.sh(from, 'nc -w 2 10.96.0.1 443 </dev/null >/dev/null && echo open')).toBe('open')
  })

  test('should serve a basic endpoint from pods', async () => {
    await cluster.apply(service('basic', { selector: { one: 'server-2' }, ports: web }))
    expect(await answers('server-1', fetchLine('http://basic/'), (text) => text === 'server-2')).toBe('server-2')
    expect(await endpointsOf('basic')).toEqual([addresses.get('server-2')])
  })

  test('should serve multiport endpoints from pods', async () => {
    const ports = [...web, { name: 'second', port: 81, targetPort: 8081 }]
    await cluster.apply(service('multi', { selector: { one: 'server-3' }, ports }))
    for (const port of [80, 81])
      await answers('server-1', fetchLine(`http://multi:${port}/`), (text) => text === 'server-3')
  })

  test('should serve endpoints on same port and different protocols', async () => {
    const ports = [
      { name: 'tcp', port: 80, targetPort: 8080, protocol: 'TCP' },
      { name: 'udp', port: 80, targetPort: 9090, protocol: 'UDP' },
    ]
    await cluster.apply(service('both', { selector: { one: 'server-2' }, ports }))
    await answers('server-1', fetchLine('http://both/'), (text) => text === 'server-2')
    const { spec } = await getService('both')
    await eventually('by UDP', async () => (await cluster.askUdp('server-1', spec!.clusterIP!, 80)) === 'server-2')
  })

  test('should be able to create a functioning NodePort service', async () => {
    await cluster.apply(service('port', { type: 'NodePort', selector: { app: 'server' }, ports: web }))
    const { nodePort } = (await getService('port')).spec!.ports![0]!
    for (const node of nodes) {
      const url = `http://${await cluster.addressOf(node)}:${nodePort}/`
      await eventually(url, async () => servers.includes(await outside(url)))
    }
  })

  test.each(['ClusterIP', 'NodePort'] as const)('should have session affinity work for %s', async (type) => {
    const name = `sticky-${type.toLowerCase()}`
    await cluster.apply(service(name, { type, sessionAffinity: 'ClientIP', selector: { app: 'server' }, ports: web }))
    await answers('server-1', fetchLine(`http://${name}/`), (text) => text.startsWith('server-'))
    expect((await tally(cluster, 'server-1', fetchLine(`http://${name}/`), 12)).size).toBe(1)
  })

  test('should be able to switch session affinity for service with type clusterIP', async () => {
    await patch('sticky-clusterip', { sessionAffinity: 'None' })
    await eventually(
      'more than one answers',
      async () => (await tally(cluster, 'server-1', fetchLine('http://sticky-clusterip/'), 12)).size > 1,
    )
    await patch('sticky-clusterip', { sessionAffinity: 'ClientIP' })
    await eventually(
      'only one answers',
      async () => (await tally(cluster, 'server-1', fetchLine('http://sticky-clusterip/'), 12)).size === 1,
    )
  })

  test.each(['ClusterIP', 'NodePort'])('should be able to change the type from ExternalName to %s', async (type) => {
    const name = `to-${type.toLowerCase()}`
    await cluster.apply(service(name, { type: 'ExternalName', externalName: 'example.invalid' }))
    await patch(name, { type, externalName: null, selector: { app: 'server' }, ports: web })
    await answers('server-1', fetchLine(`http://${name}/`), (text) => text.startsWith('server-'))
    const { nodePort } = (await getService(name)).spec!.ports![0]!
    if (type !== 'NodePort') return expect(nodePort).toBeUndefined()
    const url = `http://${await cluster.addressOf(nodes[1]!)}:${nodePort}/`
    await answers('server-1', fetchLine(url), (text) => text.startsWith('server-'))
  })

  test.each(['ClusterIP', 'NodePort'])('should be able to change the type from %s to ExternalName', async (type) => {
    const name = `to-${type.toLowerCase()}`
    const changed = {
      type: 'ExternalName',
      externalName: 'web.default.svc.cluster.local',
      clusterIP: null,
      clusterIPs: null,
    }
    await patch(name, changed)
    await answers('server-1', `nslookup ${name}.default.svc.cluster.local`, (text) => text.includes('web.default.svc'))
    expect((await getService(name)).spec).not.toHaveProperty('clusterIPs')
  })

  test('should find a service from listing all namespaces', async () => {
    expect(await cluster.kubectlOk(['get', 'services', '-A', '-o', 'name'])).toMatch(/service\/kube-dns/)
  })

  test('should reach a LoadBalancer service at the addresses of the nodes', async () => {
    await cluster.apply(
      service('balancer', {
        type: 'LoadBalancer',
        selector: { app: 'server' },
        ports: [{ port: 8088, targetPort: 8080 }],
      }),
    )
    const ips = await eventually('addresses', async () => {
      const found = (await getService('balancer')).status?.loadBalancer?.ingress?.map((one) => one.ip!) ?? []
      return found.length === 3 && found
    })
    for (const ip of ips) await eventually(ip, async () => servers.includes(await outside(`http://${ip}:8088/`)))
  })

  test('should announce an address of the pool from one node', async () => {
    const address = (await cluster.addressOf(nodes[0]!)).replace(/\d+$/, '100')
    const pool = ['--from-literal', `addresses=${address}`]
    await cluster.kubectlOk(['create', 'configmap', 'load-balancer', '-n', 'kube-system', ...pool])
    await eventually(address, async () => servers.includes(await outside(`http://${address}:8088/`)))
    await cluster.kubectlOk(['delete', 'configmap', 'load-balancer', '-n', 'kube-system'])
  })
})

apiBehaviours(() => cluster)
serviceBehaviours(() => cluster)

describe('HostPort', () => {
  test('validates that there is no conflict between pods with same hostPort but different hostIP and protocol', async () => {
    const node = nodes[0]!
    const address = await cluster.addressOf(node)
    const pod = (name: string, port: object): object =>
      serverPod(
        name,
        node,
        { app: name },
        {
          containers: [
            {
              name: 'web',
              image: 'stormo-hello:1',
              command: ['sh', '-c', `mkdir /www; echo ${name} >/www/index.html; exec httpd -f -p 8080 -h /www`],
              ports: [port],
            },
          ],
        },
      )
    await cluster.apply(
      pod('host-1', { containerPort: 8080, hostPort: 54_323, hostIP: '127.0.0.1' }),
      pod('host-2', { containerPort: 8080, hostPort: 54_323, hostIP: address }),
      pod('host-3', { containerPort: 9090, hostPort: 54_323, hostIP: address, protocol: 'UDP' }),
    )
    await cluster.kubectlOk([
      'wait',
      '--for=condition=Ready',
      'pod/host-1',
      'pod/host-2',
      'pod/host-3',
      '--timeout=30s',
    ])
    await eventually('by TCP', async () => (await outside(`http://${address}:54323/`)) === 'host-2')
    for (const source of [['--interface', address], []]) {
      const local = async () => (await onNode(node, 'curl', '-s', '-m3', ...source, 'http://127.0.0.1:54323/')).stdout
      await eventually('at 127.0.0.1', async () => (await local()).trim() === 'host-1')
    }
    await cluster.serveUdp('host-3')
    await eventually('by UDP', async () => (await cluster.askUdp('server-1', address, 54_323)) === 'host-3')
  })
})

describe('NetworkPolicy', () => {
  test('should enforce a policy that denies everything, and one that names who may', async () => {
    const policy = (ingress: object[]): object => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'guard' },
      spec: { podSelector: { matchLabels: { one: 'server-3' } }, policyTypes: ['Ingress'], ingress },
    })
    const url = `http://${addresses.get('server-3')}:8080/`
    await cluster.apply(policy([]))
    await answers('server-1', fetchLine(url), (text) => text.startsWith('exit'))
    await cluster.apply(policy([{ from: [{ podSelector: { matchLabels: { one: 'server-1' } } }] }]))
    await answers('server-1', fetchLine(url), (text) => text === 'server-3')
    expect(await cluster.sh('server-2', fetchLine(url))).toMatch(/^exit/)
    await cluster.kubectlOk(['delete', 'networkpolicy', 'guard'])
  })
})

describe('Ingress', () => {
  test('IngressClass API should support creating IngressClass API operations', async () => {
    const found = await cluster.get<IngressClass>('ingressclass', 'stormo')
    expect(found.metadata.annotations?.['ingressclass.kubernetes.io/is-default-class']).toBe('true')
  })

  test('should route by host and path on every node, and say where in its status', async () => {
    const to = (name: string): object => ({ service: { name, port: { name: 'http' } } })
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'front' },
      spec: {
        defaultBackend: to('web'),
        rules: [
          { host: 'one.example', http: { paths: [{ path: '/', pathType: 'Prefix', backend: to('basic') }] } },
          { host: '*.wild.example', http: { paths: [{ path: '/', pathType: 'Prefix', backend: to('multi') }] } },
        ],
      },
    })
    const ips = await eventually('status', async () => {
      const found = (await cluster.get<Ingress>('ingress', 'front')).status?.loadBalancer?.ingress ?? []
      return found.length === 3 && found.map((one) => one.ip!)
    })
    for (const ip of ips) {
      const ask = (host: string): Promise<string> => outside(`http://${ip}/`, '-H', `Host: ${host}`)
      await eventually(`ingress at ${ip}`, async () => (await ask('one.example')) === 'server-2')
      expect(await ask('a.wild.example')).toBe('server-3')
    }
  })

  test('should follow endpoints without losing a request', async () => {
    const ip = await cluster.addressOf(nodes[0]!)
    const enough = new AbortController()
    const asked = (async () => {
      const wrong: string[] = []
      while (!enough.signal.aborted) {
        const answer = await outside(`http://${ip}/`, '-H', 'Host: a.wild.example')
        if (!servers.includes(answer)) wrong.push(answer)
      }
      return wrong
    })()
    for (const one of ['server-1', 'server-2', 'server-3']) {
      await patch('multi', { selector: { one } })
      await eventually(one, async () => (await outside(`http://${ip}/`, '-H', 'Host: a.wild.example')) === one)
    }
    enough.abort()
    expect(await asked).toEqual([])
  })

  test('should end TLS with the certificate of the Secret that SNI names, and redirect to it', async () => {
    const ip = await cluster.addressOf(nodes[1]!)
    const made = await run('sh', ['-c', makeCertificate])
    const [crt, key] = made.stdout.split('====\n') as [string, string]
    const data = { 'tls.crt': Buffer.from(crt).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') }
    const backend = { service: { name: 'basic', port: { number: 80 } } }
    await cluster.apply(
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'safe' }, type: 'kubernetes.io/tls', data },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'safe' },
        spec: {
          tls: [{ hosts: ['safe.example'], secretName: 'safe' }],
          rules: [{ host: 'safe.example', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
        },
      },
    )
    const resolve = ['--resolve', `safe.example:443:${ip}`, '--resolve', `safe.example:80:${ip}`]
    const issuer = ['-k', '-o', '/dev/null', '-w', '%{http_version} %{certs}', ...resolve]
    await eventually('the certificate', async () => {
      const text = await outside('https://safe.example/', ...issuer)
      return text.startsWith('2') && text.includes('CN = safe.example')
    })
    const redirect = ['-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', ...resolve]
    expect(await outside('http://safe.example/x?y=z', ...redirect)).toBe('308 https://safe.example/x?y=z')
  })

  test('should leave other controllers their classes, and give their Services addresses', async () => {
    await cluster.apply(...withWebhook('edge'), ...withCustomResources('router'))
    const node = await cluster.addressOf(nodes[0]!)
    const given = async (name: string, namespace: string) =>
      (await cluster.get<Service>('service', name, '-n', namespace)).status?.loadBalancer?.ingress?.[0]?.ip
    // Port 80 of the nodes is taken by our own Ingresses.
    expect(await given('router', 'router')).toBeUndefined()
    // Services of earlier tests have some of it, too.
    const pool = ['--from-literal', `addresses=${node.replace(/\d+$/, '110')}-${node.replace(/\d+$/, '129')}`]
    await cluster.kubectlOk(['create', 'configmap', 'load-balancer', '-n', 'kube-system', ...pool])
    for (const [name, namespace, answer] of [
      ['edge-controller', 'edge', 'edge'],
      ['router', 'router', 'router'],
    ] as const) {
      const address = await eventually(`an address of ${name}`, () => given(name, namespace))
      await eventually(`${name} at ${address}`, async () => (await outside(`http://${address}/`)) === answer, 60_000)
    }
    for (const name of ['edge', 'router']) {
      expect((await cluster.get<Ingress>('ingress', name)).status?.loadBalancer).toEqual({})
      expect(await outside(`http://${node}/`, '-H', `Host: ${name}.example`)).not.toBe(name)
    }
    await cluster.kubectlOk(['delete', 'configmap', 'load-balancer', '-n', 'kube-system'])
    await cluster.kubectlOk(['delete', 'validatingwebhookconfiguration', 'edge-admission'])
    await cluster.kubectlOk(['delete', 'namespace', 'edge', 'router', '--wait=false'])
  })
})

proxyBehaviours(() => cluster)

describe('stormo', () => {
  test('doctor finds every pair of nodes well', async () => {
    const { code, stdout } = await onNode(nodes[0]!, 'stormo', 'doctor')
    expect(stdout).toMatch(/All well/)
    expect(code).toBe(0)
  })

  test("a killed agent's pods reach another API server", async () => {
    const open = 'nc -w 1 10.96.0.1 443 </dev/null >/dev/null 2>&1'
    const { containerID } = (await cluster.get<Pod>('pod', 'server-3')).status!.containerStatuses![0]!
    const ask = () => onNode(nodes[2]!, 'docker', 'exec', containerID!.replace('docker://', ''), 'sh', '-c', open)
    await onNode(nodes[2]!, 'sh', '-c', killAgent)
    await eventually('an open port', async () => (await ask()).code === 0, 20_000)
  })

  test('reset leaves no rule, link, container or file', async () => {
    const node = nodes[2]!
    const { code, stderr } = await onNode(node, 'stormo', 'reset', '--yes')
    expect(stderr).toMatch(/Nothing of the agent is left/)
    expect(code).toBe(0)
    const left = async (line: string): Promise<string> => (await onNode(node, 'sh', '-c', line)).stdout.trim()
    expect(await left('nft list tables | grep stormo')).toBe('')
    expect(await left('ip -o link | grep -E "stormo|veth"')).toBe('')
    expect(await left('ip route show proto 117')).toBe('')
    expect(
      await left('docker ps -aq; ls -A /var/lib/stormo; pgrep haproxy | while read p; do readlink /proc/$p/exe; done'),
    ).toBe('')
    expect((await stormo('cluster', 'status', '--name', 'netconf')).code).toBe(0)
  })
})

const makeCertificate = `d=$(mktemp -d) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
  -subj /CN=safe.example -addext subjectAltName=DNS:safe.example -keyout $d/key -out $d/crt 2>/dev/null &&
  cat $d/crt && echo ==== && cat $d/key; rm -r $d`

/** By its own pid: each agent of the machine, and nothing else. */
const killAgent = `for p in /proc/[0-9]*; do
  tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '[m]ain.[tj]s agent' && kill -9 \${p#/proc/}
done; true`
