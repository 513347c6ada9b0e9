import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type {
  Container,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  RuntimeClass,
  Service,
} from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import { execOk } from '../../../src/lib/exec.ts'
import { memoryChannels } from './memory-channels.ts'
import { isReady, nodeFixture, type NodeFixture } from './node-fixture.ts'

/** Behaviours of the conformance suite that are sequences: what happens after what. */
let node: NodeFixture

beforeAll(async () => {
  node = await nodeFixture('10.251.13', 2)
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
const forever = 'trap "exit 0" TERM; while :; do sleep 0.1; done'
const condition = (pod: Pod | undefined, type: string) => pod?.status?.conditions?.find((one) => one.type === type)
const isOver = (pod: Pod | undefined): boolean => /Succeeded|Failed/.test(pod?.status?.phase ?? '')

async function outputOf(name: string): Promise<string> {
  const channels = memoryChannels()
  const request = { kind: 'log' as const, namespace: 'default', pod: name, uid: node.pod(name)?.metadata.uid ?? '' }
  await node.kubelet().serve({ ...request, options: { container: 'main' } }, channels, AbortSignal.timeout(10_000))
  return channels.text(1)
}

async function endOf(name: string, spec: PodSpec): Promise<string> {
  node.run(name, { restartPolicy: 'Never', ...spec })
  await node.until(name, 'over', isOver)
  return outputOf(name)
}

describe('init containers that fail', () => {
  const initContainers = [shell('init1', 'exit 1'), shell('init2', 'true')]

  test('a failing init container of a pod that never restarts fails the pod', async () => {
    node.run('init-never', { restartPolicy: 'Never', initContainers, containers: [shell('main', 'true')] })
    const pod = await node.until('init-never', 'failed', isOver)
    expect(pod?.status?.phase).toBe('Failed')
    const [first, second] = pod?.status?.initContainerStatuses ?? []
    expect(first?.state?.terminated?.exitCode).toBe(1)
    expect(second?.state?.waiting?.reason).toBe('PodInitializing')
    expect(pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('PodInitializing')
    expect(condition(pod, 'Initialized')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [init1 init2]',
    })
  })

  test('a failing init container of a pod that restarts is tried again, and nothing else starts', async () => {
    node.run('init-always', { restartPolicy: 'Always', initContainers, containers: [shell('main', forever)] })
    const pod = await node.until(
      'init-always',
      'tried again',
      (one) => (one?.status?.initContainerStatuses?.[0]?.restartCount ?? 0) >= 1,
    )
    expect(pod?.status?.phase).toBe('Pending')
    expect(pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('PodInitializing')
  })
})

test('postStart and preStop over HTTP reach another pod', async () => {
  const serve = 'mkdir /tmp/www; echo hi > /tmp/www/echo; exec httpd -f -v -p 8080 -h /tmp/www'
  node.run('server', { containers: [shell('main', serve)] })
  const server = await node.until('server', 'ready', isReady)
  const get = (path: string) => ({ httpGet: { path, host: server?.status?.podIP ?? '', port: 8080 } })
  const lifecycle = { postStart: get('/echo?msg=poststart'), preStop: get('/echo?msg=prestop') }
  node.run('hooked', { containers: [shell('main', forever, { lifecycle })] })
  await node.until('hooked', 'ready', isReady)
  const answers = async () => (await outputOf('server')).split('response:200').length - 1
  await expect.poll(answers).toBe(1)
  await node.cluster.client.delete(refs.pods, 'default', 'hooked')
  await node.until('hooked', 'gone', (pod) => pod === undefined)
  expect(await answers()).toBe(2)
})

test('activeDeadlineSeconds ends the pod with its reason', async () => {
  node.run('deadline', { activeDeadlineSeconds: 1, containers: [shell('main', forever)] })
  const pod = await node.until('deadline', 'failed', isOver)
  expect(pod?.status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' })
})

test('readiness gates keep a pod from being ready until somebody says so', async () => {
  const readinessGates = [{ conditionType: 'test/gate' }]
  node.run('gated', { readinessGates, containers: [shell('main', forever)] })
  const waiting = await node.until('gated', 'running', (pod) => condition(pod, 'ContainersReady')?.status === 'True')
  expect(condition(waiting, 'Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' })
  const open = { type: 'test/gate', status: 'True' }
  await node.cluster.client.mutate<Pod>(refs.pods, 'default', 'gated', (pod) => ({
    ...pod,
    status: { ...pod.status, conditions: [...(pod.status?.conditions ?? []), open] },
  }))
  await node.until('gated', 'ready', isReady)
})

test('a pod that ends is asked for its readiness until the end', async () => {
  const script = 'touch /tmp/ready; trap "rm /tmp/ready; sleep 4; exit 0" TERM; while :; do sleep 0.1; done'
  const readinessProbe = { exec: { command: ['cat', '/tmp/ready'] }, periodSeconds: 1, failureThreshold: 1 }
  node.run('leaving', { terminationGracePeriodSeconds: 20, containers: [shell('main', script, { readinessProbe })] })
  await node.until('leaving', 'ready', isReady)
  await node.cluster.client.delete(refs.pods, 'default', 'leaving')
  await node.until('leaving', 'unready', (pod) => pod !== undefined && !isReady(pod))
  expect(node.pod('leaving')?.status?.containerStatuses?.[0]?.state?.running).toBeDefined()
  await node.until('leaving', 'gone', (pod) => pod === undefined)
})

test('services of the namespace are in the environment', async () => {
  node.cluster.put<Service>(refs.services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'fooservice', namespace: 'default' },
    spec: { clusterIP: '10.96.1.2', ports: [{ port: 8765, protocol: 'TCP' }] },
  })
  const said = await endOf('env-services', { containers: [shell('main', 'env | grep FOOSERVICE | sort')] })
  expect(said.split('\n')).toEqual(
    expect.arrayContaining([
      'FOOSERVICE_PORT=tcp://10.96.1.2:8765',
      'FOOSERVICE_SERVICE_HOST=10.96.1.2',
      'FOOSERVICE_SERVICE_PORT=8765',
      'FOOSERVICE_PORT_8765_TCP_ADDR=10.96.1.2',
    ]),
  )
})

test('a RuntimeClass’s handler runs the pod, and one that is not there does not', async () => {
  const runtimeClass = (name: string, handler: string) =>
    node.cluster.put<RuntimeClass>(refs.runtimeClasses, {
      apiVersion: 'node.k8s.io/v1',
      kind: 'RuntimeClass',
      metadata: { name },
      handler,
    })
  runtimeClass('plain', 'runc')
  runtimeClass('absent', 'no-such-handler')
  expect(await endOf('handled', { runtimeClassName: 'plain', containers: [shell('main', 'echo ran')] })).toBe('ran\n')
  node.run('unhandled', { runtimeClassName: 'absent', containers: [shell('main', 'true')] })
  const said = () =>
    node.cluster.recorded.find((one) => one.name === 'unhandled' && one.reason === 'FailedCreatePodSandBox')?.message
  await expect.poll(said, { timeout: 10_000 }).toContain('no-such-handler')
})

test('what the node mounts later is seen with HostToContainer, and not without', async () => {
  const path = join(node.machine.directory, 'propagated')
  await mkdir(join(path, 'below'), { recursive: true })
  const script = 'touch /tmp/up; until [ -e /with/below/here ]; do sleep 0.1; done; ls /without/below | wc -l'
  const volumeMounts = [
    { name: 'v', mountPath: '/with', mountPropagation: 'HostToContainer' },
    { name: 'v', mountPath: '/without' },
  ]
  node.run('propagated', {
    restartPolicy: 'Never',
    containers: [shell('main', script, { volumeMounts })],
    volumes: [{ name: 'v', hostPath: { path } }],
  })
  await node.until('propagated', 'running', (pod) => pod?.status?.phase === 'Running')
  await execOk('mount', ['-t', 'tmpfs', 'tmpfs', join(path, 'below')])
  await execOk('touch', [join(path, 'below', 'here')])
  await node.until('propagated', 'over', isOver)
  expect((await outputOf('propagated')).trim()).toBe('0')
  await execOk('umount', [join(path, 'below')])
})

test('a hostPath PersistentVolume made by hand is mounted through its claim', async () => {
  const path = join(node.machine.directory, 'by-hand')
  node.cluster.put<PersistentVolume>(refs.persistentVolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'by-hand' },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path } },
  })
  node.cluster.put<PersistentVolumeClaim>(refs.persistentVolumeClaims, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'by-hand', namespace: 'default' },
    spec: { accessModes: ['ReadWriteOnce'], volumeName: 'by-hand' },
    status: { phase: 'Bound' },
  })
  const spec = (script: string): PodSpec => ({
    containers: [shell('main', script, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'by-hand' } }],
  })
  const t0 = performance.now()
  await endOf('by-hand-1', spec('echo kept > /v/file'))
  console.log(
    'T1',
    performance.now() - t0,
    JSON.stringify(node.cluster.recorded.filter((one) => one.name === 'by-hand-1')),
  )
  expect(await endOf('by-hand-2', spec('cat /v/file'))).toBe('kept\n')
})
