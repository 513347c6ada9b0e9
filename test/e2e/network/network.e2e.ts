import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EndpointSlice, Service, ServiceSpec } from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import type { ExecResult } from '../../../src/lib/exec.ts'
import { canEncrypt, startLab, until, type Lab, type Pod, type TestNode } from './namespaces.ts'

/** Looks for three seconds at what the switch carries: WireGuard's packets, and those with an address of a pod. */
const sniffer = `
import socket, time, json
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)); s.settimeout(0.2)
end = time.time() + 3; encrypted = False; clear = 0
while time.time() < end:
    try: p = s.recv(65535)
    except TimeoutError: continue
    if p[12:14] != bytes([8, 0]): continue
    p = p[14:]
    pods = bytes([10, 244])
    if p[12:14] == pods or p[16:18] == pods: clear += 1
    elif p[9] == 17 and int.from_bytes(p[22:24], "big") == 51820: encrypted = True
print(json.dumps({"encrypted": encrypted, "clear": clear}))`

type Runner = (command: string, ...args: string[]) => Promise<ExecResult>

const curl = async (run: Runner, url: string): Promise<string> => {
  const { code, stdout } = await run('curl', '-sm3', url)
  return code === 0 ? stdout : `exit ${code}`
}
/** curl's codes: 7 refused, 28 timed out. */
const refused = 'exit 7'
const timedOut = 'exit 28'

const askUdp = async (run: Runner, address: string, port: number): Promise<string> => {
  const script = `
import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(2); s.bind(("0.0.0.0",4444))
s.sendto(b"x",("${address}",${port})); print(s.recv(2048).decode(),end="")`
  const { code, stdout } = await run('python3', '-c', script)
  return code === 0 ? stdout : 'no answer'
}

const http = { name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }

function service(name: string, spec: ServiceSpec): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [http], ...spec },
  }
}

function slice(name: string, pods: { pod: Pod; node: TestNode }[], protocol = 'TCP'): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol }],
    endpoints: pods.map(({ pod, node }) => ({ addresses: [pod.ip], nodeName: node.name, conditions: { ready: true } })),
  }
}

const backends = ['host-gw', 'vxlan', 'wireguard'] as const

describe.each(backends.filter((one) => one !== 'wireguard' || canEncrypt))('network over %s', (backend) => {
  let lab: Lab
  let n1: TestNode
  let n2: TestNode
  let a: Pod
  let b: Pod

  beforeAll(async () => {
    lab = await startLab(2, backend)
    ;[n1, n2] = lab.nodes as [TestNode, TestNode]
    await lab.introduceNodes()
    await lab.put(refs.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
    a = await n1.startPod('pod-a')
    b = await n2.startPod('pod-b')
    await until(async () => (await curl(a.run, `http://${b.ip}:8080`)) !== timedOut)
  }, 60_000)
  afterAll(() => lab?.stop())

  const both = () => [
    { pod: a, node: n1 },
    { pod: b, node: n2 },
  ]

  test('every pod reaches every pod with its own address', async () => {
    expect(await curl(a.run, `http://${b.ip}:8080`)).toBe(`pod-b ${a.ip}`)
    expect(await curl(b.run, `http://${a.ip}:8080`)).toBe(`pod-a ${b.ip}`)
    const c = await n1.startPod('pod-c')
    expect(await curl(c.run, `http://${a.ip}:8080`)).toBe(`pod-a ${c.ip}`)
    await n1.call({ method: 'detach', podUid: 'pod-c' })
    expect(await curl(a.run, `http://${c.ip}:8080`)).not.toContain('pod-c')
  })

  test.runIf(backend === 'wireguard')('nothing between pods passes an untrusted link in the clear', async () => {
    const listening = lab.outside('timeout', '5', 'python3', '-c', sniffer)
    for (let turn = 0; turn < 5; turn++) {
      await sleep(300)
      expect(await curl(a.run, `http://${b.ip}:8080`)).toBe(`pod-b ${a.ip}`)
      expect(await curl(n1.run, `http://${b.ip}:8080`)).toContain('pod-b 10.244.1.')
      expect(await curl(n2.run, `http://${a.ip}:8080`)).toContain('pod-a 10.244.2.')
    }
    const { stdout } = await listening
    expect(JSON.parse(stdout)).toEqual({ encrypted: true, clear: 0 })
  })

  test('a ClusterIP answers from pods, from nodes, and to the pod itself', async () => {
    await lab.put(refs.services, service('web', { clusterIP: '10.96.0.50' }))
    await lab.put(refs.endpointSlices, slice('web', [{ pod: b, node: n2 }]))
    const url = 'http://10.96.0.50'
    expect(await curl(a.run, url)).toBe(`pod-b ${a.ip}`)
    expect(await curl(n1.run, url)).toContain('pod-b ')
    expect(await curl(n2.run, url)).toContain('pod-b ')
    expect(await curl(b.run, url)).toContain('pod-b ')
  })

  test('a pod of the same node is answered through the service with its own address', async () => {
    const c = await n2.startPod('pod-d')
    expect(await curl(c.run, 'http://10.96.0.50')).toBe(`pod-b ${c.ip}`)
    await n2.call({ method: 'detach', podUid: 'pod-d' })
  })

  test('a second family of addresses has the same ways: pods, cluster IPs, node ports, refusals', async () => {
    const six = (pod: Pod): string => pod.ip.replace('10.244.', 'fd00:10:244:').replace(/\.(\d+)$/, '::$1')
    expect(await curl(a.run, `http://[${six(b)}]:8080`)).toBe(`pod-b ${six(a)}`)
    expect(await curl(b.run, `http://[${six(a)}]:8080`)).toBe(`pod-a ${six(b)}`)
    expect(await curl(n2.run, `http://[${six(a)}]:8080`)).toContain('pod-a ')
    const ports = [{ ...http, nodePort: 30_066 }]
    const spec = { type: 'NodePort', clusterIP: 'fd00:10:96::66', ipFamilies: ['IPv6'], ports }
    await lab.put(refs.services, service('six', spec))
    const { endpoints, ...rest } = slice('six', [{ pod: b, node: n2 }])
    const slice6: EndpointSlice = {
      ...rest,
      addressType: 'IPv6',
      endpoints: [{ ...endpoints?.[0], addresses: [six(b)] }],
    }
    await lab.put(refs.endpointSlices, slice6)
    expect(await curl(a.run, 'http://[fd00:10:96::66]')).toBe(`pod-b ${six(a)}`)
    expect(await curl(b.run, 'http://[fd00:10:96::66]')).toContain('pod-b ')
    expect(await curl(n1.run, 'http://[fd00:10:96::66]')).toContain('pod-b ')
    expect(await curl(a.run, 'http://[fd00:10:244:1::1]:30066')).toContain('pod-b ')
    expect(await curl(a.run, 'http://[fd00:10:96::67]')).toBe(refused)
  })

  test('connections spread over the endpoints, and stay with one under session affinity', async () => {
    await lab.put(refs.endpointSlices, slice('web', both()))
    const names = async () => {
      const answers = await Promise.all(Array.from({ length: 16 }, () => curl(a.run, 'http://10.96.0.50')))
      return new Set(answers.map((one) => one.split(' ')[0]))
    }
    expect(await names()).toEqual(new Set(['pod-a', 'pod-b']))
    await lab.put(refs.services, service('web', { clusterIP: '10.96.0.50', sessionAffinity: 'ClientIP' }))
    await curl(a.run, 'http://10.96.0.50')
    expect((await names()).size).toBe(1)
  })

  test('no endpoints, another port and an unknown virtual address are refused at once', async () => {
    await lab.put(refs.services, service('empty', { clusterIP: '10.96.0.51' }))
    for (const url of ['http://10.96.0.51', 'http://10.96.0.50:81', 'http://10.96.77.7']) {
      expect(await curl(a.run, url)).toBe(refused)
      expect(await curl(n1.run, url)).toBe(refused)
    }
  })

  test('a node port lets the outside in at every node; Local keeps the address and drops elsewhere', async () => {
    const ports = [{ ...http, nodePort: 30080 }]
    await lab.put(refs.services, service('np', { type: 'NodePort', clusterIP: '10.96.0.52', ports }))
    await lab.put(refs.endpointSlices, slice('np', [{ pod: b, node: n2 }]))
    expect(await curl(lab.outside, `http://${n1.ip}:30080`)).toBe(`pod-b ${await masqueradeAddress()}`)
    expect(await curl(a.run, `http://${n1.ip}:30080`)).toContain('pod-b')
    expect(await curl(n1.run, `http://${n1.ip}:30080`)).toContain('pod-b')
    await lab.put(
      refs.services,
      service('np', { type: 'NodePort', clusterIP: '10.96.0.52', ports, externalTrafficPolicy: 'Local' }),
    )
    expect(await curl(lab.outside, `http://${n2.ip}:30080`)).toBe(`pod-b ${lab.outsideIp}`)
    expect(await curl(lab.outside, `http://${n1.ip}:30080`)).toBe(timedOut)
    expect(await curl(a.run, `http://${n1.ip}:30080`)).toContain('pod-b')
  })

  /** The address that n1 gives to masqueraded packets on their way to n2's pods. */
  async function masqueradeAddress(): Promise<string> {
    const { stdout } = await n1.run('ip', '-j', 'route', 'get', b.ip)
    return (JSON.parse(stdout) as { prefsrc: string }[])[0]?.prefsrc ?? ''
  }

  test('UDP follows the endpoints as they change, also for a client that keeps its port', async () => {
    const ports = [{ name: 'http', port: 80, protocol: 'UDP' }]
    await lab.put(refs.services, service('echo', { clusterIP: '10.96.0.53', ports }))
    await lab.put(refs.endpointSlices, slice('echo', [{ pod: b, node: n2 }], 'UDP'))
    expect(await askUdp(a.run, '10.96.0.53', 80)).toBe(`pod-b ${a.ip}`)
    await lab.put(refs.endpointSlices, slice('echo', [{ pod: a, node: n1 }], 'UDP'))
    await until(async () => (await askUdp(a.run, '10.96.0.53', 80)).startsWith('pod-a'))
  })

  test('a host port leads to the pod', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'hp', namespace: 'default' },
      spec: { nodeName: n1.name, containers: [{ name: 'c', ports: [{ containerPort: 8080, hostPort: 8088 }] }] },
      status: { phase: 'Running', podIP: a.ip },
    }
    await lab.put(refs.pods, pod as never)
    expect(await curl(lab.outside, `http://${n1.ip}:8088`)).toBe(`pod-a ${lab.outsideIp}`)
    expect(await curl(lab.outside, `http://${n2.ip}:8088`)).toBe(refused)
    await lab.remove(refs.pods, 'default', 'hp')
    expect(await curl(lab.outside, `http://${n1.ip}:8088`)).toBe(refused)
  })

  test('DNS answers at its service address on every node, from pods and from the node', async () => {
    for (const run of [a.run, b.run, n1.run]) {
      const { stdout } = await run('busybox', 'nslookup', 'web.default.svc.cluster.local', '10.96.0.10')
      expect(stdout).toContain('10.96.0.50')
    }
    const missing = await a.run('busybox', 'nslookup', 'nothing.default.svc.cluster.local', '10.96.0.10')
    expect(missing.stdout + missing.stderr).toMatch(/NXDOMAIN|can't find/)
  })

  test('a NetworkPolicy lets in only whom it names, at once when that changes', async () => {
    const policy = (app: string) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p', namespace: 'default' },
      spec: {
        podSelector: { matchLabels: { app: 'b' } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }],
      },
    })
    for (const { pod, node } of both()) {
      await lab.put(refs.pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: pod.uid, namespace: 'default', labels: { app: pod === a ? 'a' : 'b' } },
        spec: { nodeName: node.name, containers: [] },
        status: { phase: 'Running', podIP: pod.ip },
      } as never)
    }
    await lab.put(refs.networkPolicies, policy('nobody') as never)
    expect(await curl(a.run, `http://${b.ip}:8080`)).toBe(timedOut)
    expect(await curl(n2.run, `http://${b.ip}:8080`)).toContain('pod-b')
    expect(await curl(b.run, `http://${a.ip}:8080`)).toContain('pod-a')
    await lab.put(refs.networkPolicies, policy('a') as never)
    expect(await curl(a.run, `http://${b.ip}:8080`)).toContain('pod-b')
    expect(await n2.call({ method: 'audit' })).toEqual([])
    await lab.remove(refs.networkPolicies, 'default', 'p')
    expect(await n2.call({ method: 'audit' })).toEqual([])
  })

  test('a service with more endpoints than have been prepared for works too', async () => {
    const many = Array.from({ length: 40 }, (_, index) => ({
      addresses: [`10.244.2.${100 + index}`],
      conditions: { ready: false },
    }))
    await lab.put(refs.services, service('many', { clusterIP: '10.96.0.60' }))
    const all = slice('many', [{ pod: b, node: n2 }])
    all.endpoints = [...(all.endpoints ?? []), ...many.map((one) => ({ ...one, conditions: { ready: true } }))]
    await lab.put(refs.endpointSlices, all)
    expect(await n1.call({ method: 'audit' })).toEqual([])
    all.endpoints = [...(all.endpoints ?? []).slice(0, 1), ...many]
    await lab.put(refs.endpointSlices, { ...all })
    expect(await curl(a.run, 'http://10.96.0.60')).toContain('pod-b')
    expect(await n1.call({ method: 'audit' })).toEqual([])
  })

  test('the audit finds what somebody changed, repairs it and says so', async () => {
    expect(await n1.call({ method: 'audit' })).toEqual([])
    await n1.run('nft', 'delete', 'element', 'ip', 'stormo', 'ip-services', '{ 10.96.0.52 . tcp . 80 }')
    await n1.run('nft', 'flush', 'chain', 'ip', 'stormo', 'services')
    const drift = await n1.call<string[]>({ method: 'audit' })
    expect(drift.join()).toMatch(/chain services has 0 rules.*ip-services lacks 10.96.0.52 . tcp . 80/)
    expect(await n1.call({ method: 'events' })).toEqual(['Warning ServiceRulesRepaired'])
    expect(await n1.call({ method: 'audit' })).toEqual([])
    await n1.run('nft', 'delete', 'table', 'ip', 'stormo')
    expect(await n1.call({ method: 'audit' })).toEqual(['the table is missing'])
    expect(await curl(a.run, 'http://10.96.0.52')).toContain('pod-b')
  })

  test('links, routes and settings that somebody took away come back, and a pod that lost its link gets it again', async () => {
    await n1.run('ip', 'link', 'del', 'stormo0')
    await n1.run('sh', '-c', 'ip route flush proto 117; echo 0 >/proc/sys/net/ipv4/ip_forward')
    const drift = (await n1.call<string[]>({ method: 'audit' })).join()
    for (const what of [
      'link stormo0 is missing',
      'net.ipv4.ip_forward is 0',
      'route to 10.96.0.0/16',
      'not on stormo0',
    ])
      expect(drift).toContain(what)
    expect(await n1.call({ method: 'events' })).toContain('Warning PodNetworkRepaired')
    expect(await curl(a.run, `http://${b.ip}:8080`)).toBe(`pod-b ${a.ip}`)
    const { stdout } = await n1.run('ip', '-br', 'link', 'show', 'master', 'stormo0')
    await n1.run('ip', 'link', 'del', stdout.split('@')[0] ?? '')
    expect((await n1.call<string[]>({ method: 'audit' })).join()).toMatch(/^link pod\w+ of a pod is missing$/)
    expect(await curl(a.run, 'http://10.96.0.52')).toContain('pod-b')
    expect(await n1.call({ method: 'audit' })).toEqual([])
  })

  test('a killed agent leaves the network working; the next one finds its pods', async () => {
    await n1.restartAgent()
    expect(await n1.call({ method: 'list' })).toEqual([{ podUid: 'pod-a', ip: a.ip }])
    expect(await curl(b.run, `http://${a.ip}:8080`)).toBe(`pod-a ${b.ip}`)
    const fresh = await n1.startPod('pod-e')
    expect(fresh.ip).not.toBe(a.ip)
    expect(await curl(fresh.run, 'http://10.96.0.52')).toContain('pod-b')
  })

  test('reset leaves nothing behind', async () => {
    await n1.call({ method: 'stop' })
    await n1.call({ method: 'reset' })
    const links = (await n1.run('ip', '-br', 'link')).stdout
    expect(links.split('\n').map((line) => line.split(/[@ ]/)[0])).toEqual(['lo', 'eth0', ''])
    expect((await n1.run('nft', 'list', 'tables')).stdout).toBe('')
    for (const family of ['-4', '-6'])
      expect((await n1.run('ip', family, 'route', 'show', 'table', 'all', 'proto', '117')).stdout.trim()).toBe('')
  })
})
