import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Container, Pod, PodSpec } from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import { memoryChannels } from './memory-channels.ts'
import { isReady, nodeFixture, type NodeFixture } from './node-fixture.ts'

let node: NodeFixture

beforeAll(async () => {
  node = await nodeFixture('10.251.9', 3)
}, 60_000)

afterAll(async () => {
  await node?.down()
}, 60_000)

const forever = 'trap "exit 0" TERM; while :; do sleep 0.2; done'
const shell = (name: string, script: string, more: Partial<Container> = {}): Container => ({
  name,
  image: 'busybox:1',
  command: ['sh', '-c', script],
  ...more,
})

/** Runs a pod to its end; what its container said. */
async function outputOf(name: string, spec: Partial<PodSpec>, script: string, more: Partial<Container> = {}) {
  node.run(name, { restartPolicy: 'Never', containers: [shell('main', script, more)], ...spec })
  const pod = await node.until(name, 'ended', (one) => /Succeeded|Failed/.test(one?.status?.phase ?? ''))
  return logOf(pod, 'main')
}

async function logOf(pod: Pod | undefined, container: string): Promise<string> {
  const channels = memoryChannels()
  const { name = '', uid = '' } = pod?.metadata ?? {}
  const request = { kind: 'log' as const, namespace: 'default', pod: name, uid, options: { container } }
  await node.kubelet().serve(request, channels, AbortSignal.timeout(10_000))
  return channels.text(1)
}

async function execIn(pod: Pod | undefined, command: string[]): Promise<string> {
  const channels = memoryChannels()
  const { name = '', uid = '' } = pod?.metadata ?? {}
  const streams = { stdin: false, stdout: true, stderr: true, tty: false }
  const request = {
    kind: 'exec' as const,
    namespace: 'default',
    pod: name,
    uid,
    container: 'main',
    command,
    ...streams,
  }
  await node.kubelet().serve(request, channels, AbortSignal.timeout(10_000))
  return channels.text(1)
}

function change(name: string, alter: (pod: Pod) => void): void {
  const pod = structuredClone(node.pod(name))
  if (pod === undefined) throw new Error(`there is no pod ${name}`)
  alter(pod)
  node.cluster.put(refs.pods, pod)
}

const statusOf = (pod: Pod | undefined, container: string) =>
  [
    ...(pod?.status?.initContainerStatuses ?? []),
    ...(pod?.status?.containerStatuses ?? []),
    ...(pod?.status?.ephemeralContainerStatuses ?? []),
  ].find((one) => one.name === container)

describe('containers of every kind', () => {
  test('a sidecar starts first, stays beside the others and does not keep the pod from its end', async () => {
    const sidecar = shell('helper', `echo up > /shared/up; ${forever}`, {
      restartPolicy: 'Always',
      startupProbe: { exec: { command: ['test', '-e', '/shared/up'] }, periodSeconds: 1 },
      volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
    })
    const main = shell('main', 'cat /shared/up', { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] })
    node.run('sidecar', {
      restartPolicy: 'Never',
      initContainers: [sidecar],
      containers: [main],
      volumes: [{ name: 'shared', emptyDir: {} }],
    })
    const pod = await node.until('sidecar', 'succeeded', (one) => one?.status?.phase === 'Succeeded')
    expect(await logOf(pod, 'main')).toBe('up\n')
  })

  test('an ephemeral container joins a running pod and sees the processes of its target', async () => {
    node.run('debugged', { containers: [shell('main', forever)] })
    await node.until('debugged', 'ready', isReady)
    change('debugged', (pod) => {
      const debug = { name: 'debug', image: 'busybox:1', command: ['sh', '-c', 'cat /proc/1/cmdline'] }
      if (pod.spec) pod.spec.ephemeralContainers = [{ ...debug, targetContainerName: 'main' }]
    })
    const pod = await node.until(
      'debugged',
      'debugged',
      (one) => statusOf(one, 'debug')?.state?.terminated !== undefined,
    )
    expect(await logOf(pod, 'debug')).toContain('trap')
  })

  test('limits of a running container change without a restart', async () => {
    const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '200m', memory: '64Mi' } }
    node.run('resized', { containers: [shell('main', forever, { resources })] })
    const before = await node.until('resized', 'ready', isReady)
    change('resized', (pod) => {
      const [main] = pod.spec?.containers ?? []
      if (main) main.resources = { ...resources, limits: { cpu: '400m', memory: '96Mi' } }
    })
    const id = (statusOf(before, 'main')?.containerID ?? '').replace('docker://', '')
    const limits = () => node.machine.docker('inspect', '-f', '{{.HostConfig.CpuQuota}} {{.HostConfig.Memory}}', id)
    await expect.poll(limits, { timeout: 10_000 }).toBe(`40000 ${96 * 1024 * 1024}\n`)
    expect(statusOf(node.pod('resized'), 'main')?.restartCount).toBe(0)
  })

  test('a resource whose resizePolicy is RestartContainer restarts its container', async () => {
    const resources = { requests: { memory: '32Mi' }, limits: { memory: '64Mi' } }
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }]
    node.run('restarted', { containers: [shell('main', forever, { resources, resizePolicy })] })
    await node.until('restarted', 'ready', isReady)
    change('restarted', (pod) => {
      const [main] = pod.spec?.containers ?? []
      if (main) main.resources = { ...resources, limits: { memory: '80Mi' } }
    })
    await node.until('restarted', 'restarted', (pod) => statusOf(pod, 'main')?.restartCount === 1)
  })

  test('a static pod follows its file', async () => {
    const folder = join(node.machine.directory, 'kubelet', 'manifests')
    await mkdir(folder, { recursive: true })
    const manifest = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'fixed' },
      spec: { containers: [shell('main', forever)] },
    }
    await writeFile(join(folder, 'fixed.yaml'), JSON.stringify(manifest))
    const pod = await node.until('fixed-node-1', 'ready', isReady)
    expect(pod?.metadata.annotations?.['kubernetes.io/config.source']).toBe('file')
    await rm(join(folder, 'fixed.yaml'))
    await node.until('fixed-node-1', 'gone', (one) => one === undefined)
  })

  test('a postStart hook runs, and one that fails restarts its container', async () => {
    const hook = (command: string) => ({ lifecycle: { postStart: { exec: { command: ['sh', '-c', command] } } } })
    node.run('greeted', { containers: [shell('main', forever, hook('echo hi > /tmp/hi'))] })
    const pod = await node.until('greeted', 'ready', isReady)
    expect(await execIn(pod, ['cat', '/tmp/hi'])).toBe('hi\n')
    node.run('refused', { containers: [shell('main', forever, hook('exit 1'))] })
    await node.until('refused', 'restarted', (one) => (statusOf(one, 'main')?.restartCount ?? 0) > 0)
    expect(node.cluster.recorded.map(({ reason }) => reason)).toContain('FailedPostStartHook')
  })
})

describe('identity and namespaces', () => {
  test('hostname, subdomain and setHostnameAsFQDN name the pod', async () => {
    const spec = { hostname: 'web', subdomain: 'sub', setHostnameAsFQDN: true }
    expect(await outputOf('fqdn', spec, 'hostname; grep web /etc/hosts')).toMatch(
      /^web\.sub\.default\.svc\.cluster\.local\n[\d.]+\tweb\.sub\.default\.svc\.cluster\.local\tweb\n/,
    )
  })

  test('hostAliases and dnsConfig are in the files', async () => {
    const spec: Partial<PodSpec> = {
      hostAliases: [{ ip: '192.0.2.1', hostnames: ['a.example', 'b.example'] }],
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['192.0.2.53'], searches: ['example'], options: [{ name: 'ndots', value: '2' }] },
    }
    const text = await outputOf('names', spec, 'cat /etc/hosts /etc/resolv.conf')
    expect(text).toContain('192.0.2.1\ta.example\tb.example')
    expect(text).toMatch(/nameserver 192\.0\.2\.53[^]*options ndots:2/)
  })

  test('shareProcessNamespace shows the processes of the others', async () => {
    node.run('shared-pids', {
      shareProcessNamespace: true,
      containers: [shell('main', forever), shell('other', 'sleep 987')],
    })
    const pod = await node.until('shared-pids', 'ready', isReady)
    expect(await execIn(pod, ['ps'])).toContain('sleep 987')
  })

  test('hostNetwork gives the machine’s network and its address', async () => {
    node.run('on-host', { hostNetwork: true, containers: [shell('main', forever)] })
    const pod = await node.until('on-host', 'ready', isReady)
    expect(pod?.status?.podIP).toBe(pod?.status?.hostIP)
    expect(await execIn(pod, ['readlink', '/proc/self/ns/net'])).toBe(
      `${(await import('node:fs')).readlinkSync('/proc/self/ns/net')}\n`,
    )
  })

  test('user, group, supplemental groups and fsGroup', async () => {
    const spec: Partial<PodSpec> = {
      securityContext: { runAsUser: 1001, runAsGroup: 2001, supplementalGroups: [3001], fsGroup: 4001 },
      volumes: [{ name: 'data', emptyDir: {} }],
    }
    const mount = { volumeMounts: [{ name: 'data', mountPath: '/data' }] }
    const text = await outputOf('users', spec, 'id -u; id -g; id -G; touch /data/f; stat -c %g /data/f', mount)
    expect(text).toMatch(/^1001\n2001\n/)
    expect(text).toContain('3001')
    expect(text).toMatch(/4001\n$/)
  })

  test('a read-only root, dropped capabilities and no new privileges', async () => {
    const securityContext = {
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    }
    const script = 'touch /x 2>/dev/null && echo writable; grep -E "CapEff|NoNewPrivs" /proc/self/status'
    const text = await outputOf('confined', {}, script, { securityContext })
    expect(text).not.toContain('writable')
    expect(text).toMatch(/CapEff:\s+0+\n[^]*NoNewPrivs:\s+1/)
  })

  test('runAsNonRoot refuses an image that runs as root', async () => {
    node.run('no-root', { containers: [shell('main', forever, { securityContext: { runAsNonRoot: true } })] })
    const reason = (pod: Pod | undefined) => statusOf(pod, 'main')?.state?.waiting
    const pod = await node.until('no-root', 'refused', (one) => reason(one)?.reason === 'CreateContainerConfigError')
    expect(reason(pod)?.message).toContain('container has runAsNonRoot and image will run as root')
  })

  test('sysctls of the pod', async () => {
    const spec: Partial<PodSpec> = {
      securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }] },
    }
    expect(await outputOf('tuned', spec, 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('80\n')
  })

  test('fields and resources of the pod in the environment', async () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } })
    const env = [
      field('NAME', 'metadata.name'),
      field('IP', 'status.podIP'),
      field('HOST', 'spec.nodeName'),
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'BOTH', value: '$(NAME)/$(HOST)' },
    ]
    const resources = { limits: { cpu: '2' } }
    const text = await outputOf('fields', {}, 'echo $NAME $IP $CPU $BOTH', { env, resources })
    expect(text).toMatch(/^fields 10\.251\.9\.\d+ 2 fields\/node-1\n$/)
  })
})

describe('probes', () => {
  test('a readiness probe over HTTP makes the pod ready, and unready', async () => {
    const readinessProbe = { httpGet: { path: '/ok', port: 8080 }, periodSeconds: 1, failureThreshold: 1 }
    const script = `mkdir /tmp/w; echo y > /tmp/w/ok; httpd -p 8080 -h /tmp/w; ${forever}`
    node.run('http', { containers: [shell('main', script, { readinessProbe })] })
    const pod = await node.until('http', 'ready', isReady)
    await execIn(pod, ['rm', '/tmp/w/ok'])
    await node.until('http', 'unready', (one) => !isReady(one))
  })

  test('a startup probe over TCP holds the others back', async () => {
    const startupProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 20 }
    const livenessProbe = { exec: { command: ['test', '-e', '/tmp/late'] }, periodSeconds: 1, failureThreshold: 1 }
    const script = `sleep 2; touch /tmp/late; httpd -p 8080 -h /tmp; ${forever}`
    node.run('slow', { containers: [shell('main', script, { startupProbe, livenessProbe })] })
    const pod = await node.until('slow', 'ready', isReady)
    expect(statusOf(pod, 'main')?.restartCount).toBe(0)
  })
})

describe('what a pod may write', () => {
  test('an emptyDir that outgrows its sizeLimit evicts its pod', async () => {
    const mount = { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] }
    node.run('greedy', {
      containers: [shell('main', `dd if=/dev/zero of=/scratch/f bs=1M count=4; ${forever}`, mount)],
      volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '1Mi' } }],
    })
    const pod = await node.until('greedy', 'evicted', (one) => one?.status?.phase === 'Failed')
    expect(pod?.status).toMatchObject({
      reason: 'Evicted',
      message: 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
    })
    expect(pod?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' }),
    )
  })

  test('an emptyDir in memory has its size from the kernel', async () => {
    const mount = { volumeMounts: [{ name: 'ram', mountPath: '/ram' }] }
    const spec = { volumes: [{ name: 'ram', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] }
    const text = await outputOf('ram', spec, 'grep " /ram " /proc/mounts; df -k /ram | tail -1', mount)
    expect(text).toMatch(/^tmpfs \/ram tmpfs [^]* 1024 /)
  })

  test('termination messages come from their file, or from the log where the policy says so', async () => {
    await outputOf('told', {}, 'echo -n bye > /dev/termination-log')
    expect(statusOf(node.pod('told'), 'main')?.state?.terminated?.message).toBe('bye')
    await outputOf('fell', {}, 'echo why; exit 3', { terminationMessagePolicy: 'FallbackToLogsOnError' })
    expect(statusOf(node.pod('fell'), 'main')?.state?.terminated).toMatchObject({ message: 'why\n', exitCode: 3 })
  })

  test('a user of its own may write a termination message, at a path of its own', async () => {
    const securityContext = { runAsUser: 10_000 }
    const terminationMessagePath = '/dev/termination-custom-log'
    await outputOf('own-path', {}, `echo -n DONE > ${terminationMessagePath}`, {
      securityContext,
      terminationMessagePath,
    })
    expect(statusOf(node.pod('own-path'), 'main')?.state?.terminated?.message).toBe('DONE')
  })

  test('a subPath whose variable is empty waits, and is made for whoever may write the volume', async () => {
    const env = [{ name: 'DIR', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['dir']" } } }]
    const main = shell('main', 'touch /sub/x && echo written', {
      env,
      securityContext: { runAsUser: 1000 },
      volumeMounts: [{ name: 'work', mountPath: '/sub', subPathExpr: '$(DIR)' }],
    })
    node.run('late-path', { restartPolicy: 'Never', containers: [main], volumes: [{ name: 'work', emptyDir: {} }] })
    const waiting = (pod: Pod | undefined) => statusOf(pod, 'main')?.state?.waiting
    const refused = (pod: Pod | undefined) => waiting(pod)?.reason === 'CreateContainerConfigError'
    const pod = await node.until('late-path', 'refused', refused)
    expect(waiting(pod)?.message).toBe('missing value for DIR')
    change('late-path', (one) => {
      one.metadata.annotations = { dir: 'here' }
    })
    const ended = await node.until('late-path', 'ended', (one) => one?.status?.phase === 'Succeeded')
    expect(await logOf(ended, 'main')).toBe('written\n')
  })

  test('unsafe sysctls are refused', async () => {
    const sysctls = [{ name: 'kernel.msgmax', value: '1' }]
    node.run('unsafe', { securityContext: { sysctls }, containers: [shell('main', forever)] })
    const pod = await node.until('unsafe', 'refused', (one) => one?.status?.phase === 'Failed')
    expect(pod?.status).toMatchObject({
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    })
  })

  test('the container’s own host name file is the pod’s', async () => {
    expect(await outputOf('filed', {}, 'cat /etc/hostname')).toBe('filed\n')
    expect(await readFile('/etc/hostname', 'utf8')).not.toBe('filed\n')
  })
})
