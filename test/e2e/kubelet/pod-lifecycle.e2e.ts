import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConfigMap, Container, Pod } from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import type { NodeRequest } from '../../../src/streams/node-access.ts'
import { memoryChannels, type MemoryChannels } from './memory-channels.ts'
import { isReady, nodeFixture, type NodeFixture } from './node-fixture.ts'

let node: NodeFixture

beforeAll(async () => {
  node = await nodeFixture('10.251.7', 2)
}, 60_000)

afterAll(async () => {
  await node?.down()
}, 60_000)

const shell = (name: string, script: string, more: Partial<Container> = {}): Container => ({
  name,
  image: 'busybox:1',
  command: ['sh', '-c', script],
  ...more,
})

const forever = 'trap "exit 0" TERM; while :; do sleep 0.2; done'

async function serve(request: NodeRequest, prepare?: (channels: MemoryChannels) => void): Promise<MemoryChannels> {
  const channels = memoryChannels()
  prepare?.(channels)
  await node.kubelet().serve(request, channels, AbortSignal.timeout(20_000))
  return channels
}

const ofPod = (pod: Pod | undefined) => ({
  namespace: 'default',
  pod: pod?.metadata.name ?? '',
  uid: pod?.metadata.uid ?? '',
})

const exec = (pod: Pod | undefined, command: string[], more: { stdin?: boolean; tty?: boolean } = {}): NodeRequest => ({
  kind: 'exec',
  ...ofPod(pod),
  container: pod?.spec?.containers[0]?.name ?? '',
  command,
  stdin: more.stdin ?? false,
  stdout: true,
  stderr: true,
  tty: more.tty ?? false,
})

describe('a pod on a real node', () => {
  test('containers share network, IPC and /dev/shm', async () => {
    const server = shell(
      'server',
      `echo shared > /dev/shm/x; echo ok > /tmp/index.html; httpd -p 8080 -h /tmp; ${forever}`,
    )
    const client = shell(
      'client',
      `until wget -q -O - http://127.0.0.1:8080/; do sleep 0.1; done; cat /dev/shm/x; ${forever}`,
    )
    node.run('shared', { containers: [server, client] })
    const pod = await node.until('shared', 'ready', isReady)
    await expect
      .poll(async () => (await serve({ kind: 'log', ...ofPod(pod), options: { container: 'client' } })).text(1))
      .toBe('ok\nshared\n')
  })

  test('init containers run in order before the others', async () => {
    const mount = { volumeMounts: [{ name: 'work', mountPath: '/work' }] }
    node.run('inits', {
      restartPolicy: 'Never',
      initContainers: [shell('first', 'echo 1 >> /work/log', mount), shell('second', 'echo 2 >> /work/log', mount)],
      containers: [shell('main', 'cat /work/log > /dev/termination-log', mount)],
      volumes: [{ name: 'work', emptyDir: {} }],
    })
    const pod = await node.until('inits', 'succeeded', (one) => one?.status?.phase === 'Succeeded')
    expect(pod?.status?.containerStatuses?.[0]?.state?.terminated?.message).toBe('1\n2\n')
  })

  test('a missing ConfigMap key keeps the container waiting, and its arrival starts it', async () => {
    const env = [{ name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'late', key: 'colour' } } }]
    node.run('late', { containers: [shell('main', `echo $COLOUR; ${forever}`, { env })] })
    const waiting = await node.until(
      'late',
      'waiting',
      (one) => one?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
    )
    expect(waiting?.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe('configmap "late" not found')
    const metadata = { name: 'late', namespace: 'default' }
    node.cluster.put<ConfigMap>(refs.configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: { colour: 'green' },
    })
    await node.until('late', 'ready', isReady)
  })

  test('a ConfigMap volume follows its object', async () => {
    const metadata = { name: 'live', namespace: 'default' }
    const put = (text: string) =>
      node.cluster.put<ConfigMap>(refs.configMaps, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata,
        data: { key: text },
      })
    put('one')
    const main = shell('main', forever, { volumeMounts: [{ name: 'live', mountPath: '/live' }] })
    node.run('live', { containers: [main], volumes: [{ name: 'live', configMap: { name: 'live' } }] })
    const pod = await node.until('live', 'ready', isReady)
    put('two')
    await expect.poll(async () => (await serve(exec(pod, ['cat', '/live/key']))).text(1)).toBe('two')
  })

  test('exec gives output, exit code and takes stdin', async () => {
    node.run('shell', { containers: [shell('main', forever)] })
    const pod = await node.until('shell', 'ready', isReady)
    const failed = await serve(exec(pod, ['sh', '-c', 'echo out; echo err >&2; exit 7']))
    expect([failed.text(1), failed.text(2)]).toEqual(['out\n', 'err\n'])
    expect(JSON.parse(failed.text(3))).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    })
    const echoed = await serve(exec(pod, ['cat'], { stdin: true }), (channels) => {
      channels.push({ channel: 0, data: Buffer.from('hello') })
      channels.push({ channel: 0 })
      channels.finish()
    })
    expect(echoed.text(1)).toBe('hello')
    expect(JSON.parse(echoed.text(3))).toMatchObject({ status: 'Success' })
  })

  test('port-forward reaches a port that listens on localhost only', async () => {
    const main = shell('main', `echo page > /tmp/index.html; httpd -p 127.0.0.1:8081 -h /tmp; ${forever}`)
    node.run('local', { containers: [main] })
    const pod = await node.until('local', 'ready', isReady)
    const answer = await serve({ kind: 'portForward', ...ofPod(pod), port: 8081 }, (channels) => {
      channels.push({ channel: 0, data: Buffer.from('GET /index.html HTTP/1.0\r\n\r\n') })
    })
    expect(answer.text(0)).toContain('page')
    const refused = await serve({ kind: 'portForward', ...ofPod(pod), port: 9 })
    expect(refused.text(1)).toContain('error forwarding port 9 to pod local')
  })

  test('logs: tail, timestamps, limit, previous', async () => {
    node.run('talk', { containers: [shell('main', 'for i in 1 2 3; do echo line $i; done; sleep 0.5; exit 1')] })
    const pod = await node.until(
      'talk',
      'restarted',
      (one) => (one?.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1,
    )
    const log = async (options: object) =>
      (await serve({ kind: 'log', ...ofPod(pod), options: { container: 'main', ...options } })).text(1)
    expect(await log({ previous: true, tailLines: 1 })).toBe('line 3\n')
    expect(await log({ previous: true, limitBytes: 8 })).toBe('line 1\nl')
    expect(await log({ previous: true, timestamps: true })).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 1\n/)
  })

  test('an image that is nowhere is told as such', async () => {
    node.run('nowhere', { containers: [{ name: 'main', image: '127.0.0.1:1/none:1' }] })
    const pod = await node.until(
      'nowhere',
      'backing off',
      (one) => one?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'ImagePullBackOff',
    )
    expect(pod?.status?.phase).toBe('Pending')
    await node.cluster.client.delete(refs.pods, 'default', 'nowhere')
    await node.until('nowhere', 'gone', (one) => one === undefined)
  })

  test('a failing liveness probe restarts its container', async () => {
    const livenessProbe = { exec: { command: ['test', '!', '-e', '/tmp/dead'] }, periodSeconds: 1, failureThreshold: 1 }
    node.run('sick', { containers: [shell('main', `sleep 1; touch /tmp/dead; ${forever}`, { livenessProbe })] })
    await node.until('sick', 'restarted', (one) => one?.status?.containerStatuses?.[0]?.restartCount === 1)
    expect(node.cluster.recorded).toContainEqual(
      expect.objectContaining({
        name: 'sick',
        reason: 'Killing',
        message: 'Container main failed liveness probe, will be restarted',
      }),
    )
  })

  test('preStop runs before the container is ended, within the grace period', async () => {
    const main = shell('main', forever, {
      lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo stopped > /host/mark'] } } },
      volumeMounts: [{ name: 'host', mountPath: '/host' }],
    })
    const path = join(node.machine.directory, 'marks')
    node.run('hooked', {
      containers: [main],
      volumes: [{ name: 'host', hostPath: { path, type: 'DirectoryOrCreate' } }],
    })
    await node.until('hooked', 'ready', isReady)
    await node.cluster.client.delete(refs.pods, 'default', 'hooked')
    await node.until('hooked', 'gone', (one) => one === undefined)
    expect(await readFile(join(path, 'mark'), 'utf8')).toBe('stopped\n')
  })

  test('out of memory is reported as OOMKilled', async () => {
    const hungry = shell('main', 'x=a; while :; do x=$x$x; done', { resources: { limits: { memory: '16Mi' } } })
    node.run('hungry', { restartPolicy: 'Never', containers: [hungry] })
    const pod = await node.until('hungry', 'failed', (one) => one?.status?.phase === 'Failed')
    expect(pod?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 })
  })

  test('a new agent takes over what runs and restarts nothing', async () => {
    node.run('adopted', { containers: [shell('main', forever)] })
    const before = await node.until('adopted', 'ready', isReady)
    await node.restartAgent()
    node.run('after', { containers: [shell('main', forever)] })
    await node.until('after', 'ready', isReady)
    const after = node.pod('adopted')
    expect(after?.status?.containerStatuses?.[0]).toEqual(before?.status?.containerStatuses?.[0])
    expect(isReady(after)).toBe(true)
  })

  test('what belongs to no pod is removed', async () => {
    node.run('orphan', { containers: [shell('main', forever)] })
    await node.until('orphan', 'ready', isReady)
    node.cluster.drop(refs.pods, 'default', 'orphan')
    await expect
      .poll(() => node.machine.docker('ps', '-aq', '--filter', 'label=io.kubernetes.pod.name=orphan'), {
        timeout: 15_000,
      })
      .toBe('')
  })

  test('the node says when its runtime is away, and recovers by itself', async () => {
    const ready = () =>
      node.cluster.get<Pod>(refs.nodes, '', 'node-1')?.status?.conditions?.find((one) => one.type === 'Ready')?.status
    await node.machine.stop()
    await expect.poll(ready, { timeout: 15_000 }).toBe('False')
    await node.machine.start()
    await expect.poll(ready, { timeout: 20_000 }).toBe('True')
  })
}, 60_000)
