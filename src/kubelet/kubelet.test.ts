import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Node, Pod, PodSpec, ResourceRequirements } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { silentLogger } from '../lib/log.ts'
import {
  createSimulatedRuntime,
  type Behaviour,
  type SimulatedRuntime,
} from '../runtime/simulated/simulated-runtime.ts'
import { createKubelet, type Kubelet } from './kubelet.ts'
import { createMemoryCluster, type MemoryCluster } from './testing/memory-cluster.ts'

let clock: VirtualClock
let cluster: MemoryCluster
let runtime: SimulatedRuntime
let kubelet: Kubelet
let dataDir: string
const behaviours = new Map<string, Behaviour>()
/** When containers were created, in order. */
let createdAtMs: number[] = []
/** Pods that may not be started yet. */
const heldBack = new Set<string>()
/** Nothing can be attached to the pod network. */
let isNetworkDown = false
/** How often a pod that does not run yet was looked at. */
let looks = 0

function behaviour({ name }: { readonly name: string }): Behaviour {
  createdAtMs.push(clock.nowMs())
  return behaviours.get(name) ?? {}
}

beforeEach(async () => {
  behaviours.clear()
  heldBack.clear()
  isNetworkDown = false
  looks = 0
  createdAtMs = []
  clock = new VirtualClock()
  cluster = createMemoryCluster(() => clock.nowMs())
  runtime = createSimulatedRuntime({ clock, images: ['app:1'], behaviour })
  dataDir = await mkdtemp(join(tmpdir(), 'kubelet-test-'))
  kubelet = newKubelet()
  await kubelet.start()
})

afterEach(async () => {
  await kubelet.stop()
  await rm(dataDir, { recursive: true, force: true })
})

function newKubelet(): Kubelet {
  const attached = new Map<string, string>()
  return createKubelet({
    nodeName: 'node-1',
    nodeIp: '192.168.0.1',
    podCidr: '10.0.1.0/24',
    client: cluster.client,
    informers: cluster.informers,
    runtime,
    podNetwork: {
      async attach({ podUid }) {
        if (isNetworkDown) throw new Error('no addresses left')
        const ip = attached.get(podUid) ?? `10.0.1.${attached.size + 2}`
        attached.set(podUid, ip)
        return { ip }
      },
      detach: async (podUid) => void attached.delete(podUid),
      list: async () => [...attached].map(([podUid, ip]) => ({ podUid, ip })),
    },
    events: cluster.events,
    clock,
    random: { next: () => 0.5, bytes: (length) => new Uint8Array(length).fill(clock.monotonicMs() & 255) },
    logger: silentLogger,
    dataDir,
    clusterDns: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    mayStart(pod) {
      looks++
      return !heldBack.has(pod.metadata.name ?? '')
    },
  })
}

const run = (name: string, spec: Partial<PodSpec> = {}): Pod =>
  cluster.put<Pod>(refs.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'app:1' }], ...spec },
  })

const pod = (name: string): Pod | undefined => cluster.get<Pod>(refs.pods, 'default', name)
const state = (name: string) => pod(name)?.status?.containerStatuses?.[0]
/** Virtual time passes while the machine's own file system is given some of the real one. */
async function until(what: string, condition: () => boolean): Promise<void> {
  for (let step = 0; !condition(); step++) {
    if (step > 5_000) throw new Error(`not within ${step * 50} ms: ${what}`)
    await clock.pass(50)
    await sleep(1)
  }
}

test('the node registers with its capacity and says that it is ready', async () => {
  const node = () => cluster.get<Node>(refs.nodes, '', 'node-1')
  const ready = () => node()?.status?.conditions?.find((one) => one.type === 'Ready')?.status
  await until('ready', () => ready() === 'True')
  expect(node()?.spec?.podCIDR).toBe('10.0.1.0/24')
  expect(node()?.status?.capacity?.['pods']).toBe('110')
  expect(node()?.status?.addresses).toContainEqual({ type: 'InternalIP', address: '192.168.0.1' })
  runtime.setReachable(false)
  await until('not ready', () => ready() === 'False')
  runtime.setReachable(true)
  await until('ready again', () => ready() === 'True')
})

test('a pod comes up, and is gone after its deletion with all that was its', async () => {
  run('web')
  await until('running', () => pod('web')?.status?.phase === 'Running')
  expect(pod('web')?.status).toMatchObject({ podIP: '10.0.1.2', hostIP: '192.168.0.1', qosClass: 'BestEffort' })
  const uid = pod('web')?.metadata.uid ?? ''
  expect(await readFile(join(dataDir, 'pods', uid, 'resolv.conf'), 'utf8')).toContain(
    'search default.svc.cluster.local',
  )
  await cluster.client.delete(refs.pods, 'default', 'web')
  await until('gone', () => pod('web') === undefined)
  await expect(readFile(join(dataDir, 'pods', uid, 'resolv.conf'))).rejects.toThrow('ENOENT')
  let left = 1
  await until('removed', () => {
    void runtime.list().then((all) => (left = all.length))
    return left === 0
  })
})

test('a pod whose sandbox cannot be set up is tried again, each time after a pause', async () => {
  isNetworkDown = true
  run('web')
  for (let step = 0; step < 100; step++) {
    await clock.pass(50)
    await sleep(2)
  }
  expect(looks).toBeGreaterThan(1)
  expect(looks).toBeLessThan(20)
  isNetworkDown = false
  await until('running', () => pod('web')?.status?.phase === 'Running')
})

test('a pod that may not start yet waits, without a trace, until it may', async () => {
  heldBack.add('db-0')
  run('db-0')
  run('web')
  await until('the other runs', () => pod('web')?.status?.phase === 'Running')
  await clock.pass(10_000)
  expect(pod('db-0')?.status).toBeUndefined()
  heldBack.clear()
  await until('running', () => pod('db-0')?.status?.phase === 'Running')
})

test('a crashing container is restarted at once, then after 10 s, then after 20 s', async () => {
  behaviours.set('main', { exitAfterMs: 100, exitCode: 1 })
  run('crash')
  await until('second start', () => (state('crash')?.restartCount ?? 0) >= 1)
  await until('second end', () => state('crash')?.state?.terminated?.exitCode === 1)
  await until('backing off', () => state('crash')?.state?.waiting?.reason === 'CrashLoopBackOff')
  expect(state('crash')?.lastState?.terminated?.exitCode).toBe(1)
  await until('fourth start', () => state('crash')?.restartCount === 3)
  const [, second = 0, third = 0, fourth = 0] = createdAtMs
  expect(third - second).toBeGreaterThanOrEqual(10_000)
  expect(fourth - third).toBeGreaterThanOrEqual(20_000)
})

test('a Job’s pod that succeeds stays, with its sandbox gone', async () => {
  behaviours.set('main', { exitAfterMs: 500 })
  run('job', { restartPolicy: 'Never' })
  await until('succeeded', () => pod('job')?.status?.phase === 'Succeeded')
  let roles = ['']
  await until('alone', () => {
    void runtime.list().then((all) => (roles = all.map((one) => one.role)))
    return roles.length === 1 && roles[0] === 'container'
  })
  expect(state('job')?.state?.terminated?.reason).toBe('Completed')
})

test('an image that no registry has: ErrImagePull, then a growing back-off', async () => {
  run('lost', { containers: [{ name: 'main', image: 'none:1' }] })
  await until('failed', () => state('lost')?.state?.waiting?.reason === 'ErrImagePull')
  await until('backing off', () => state('lost')?.state?.waiting?.reason === 'ImagePullBackOff')
  expect(state('lost')?.state?.waiting?.message).toContain('Back-off pulling image "none:1"')
})

test('a container that does not heed its signal is killed after the grace period', async () => {
  behaviours.set('main', { stopAfterMs: 60_000 })
  run('stubborn', { terminationGracePeriodSeconds: 5 })
  await until('running', () => pod('stubborn')?.status?.phase === 'Running')
  let last: Pod | undefined
  cluster.informers.for<Pod>(refs.pods).onChange(({ object }) => (last = object ?? last))
  const askedMs = clock.nowMs()
  await cluster.client.delete(refs.pods, 'default', 'stubborn')
  await until('gone', () => pod('stubborn') === undefined)
  const ended = last?.status?.containerStatuses?.[0]?.state?.terminated
  expect(ended?.exitCode).toBe(137)
  // Times of the API are whole seconds, rounded down.
  expect(Date.parse(ended?.finishedAt ?? '') - askedMs).toBeGreaterThan(4_000)
})

test('activeDeadlineSeconds fails the pod', async () => {
  run('late', { activeDeadlineSeconds: 20 })
  await until('failed', () => pod('late')?.status?.phase === 'Failed')
  expect(pod('late')?.status?.reason).toBe('DeadlineExceeded')
})

test('what others add to the capacity becomes allocatable, and goes with it', async () => {
  const status = () => cluster.get<Node>(refs.nodes, '', 'node-1')?.status
  const gpus = (amount: string | undefined): Promise<Node> =>
    cluster.client.mutate<Node>(
      refs.nodes,
      '',
      'node-1',
      (node) => {
        const { 'example.com/gpu': _, ...others } = node.status?.capacity ?? {}
        const capacity = amount === undefined ? others : { ...others, 'example.com/gpu': amount }
        return { ...node, status: { ...node.status, capacity } }
      },
      { subresource: 'status' },
    )
  await until('registered', () => status()?.allocatable?.['cpu'] !== undefined)
  await gpus('3')
  await until('allocatable', () => status()?.allocatable?.['example.com/gpu'] === '3')
  expect(status()?.capacity?.['example.com/gpu']).toBe('3')
  await gpus(undefined)
  await until('gone', () => status()?.allocatable?.['example.com/gpu'] === undefined)
  expect(status()?.capacity?.['cpu']).toBeDefined()
})

test('a pod whose host port another one has is rejected', async () => {
  const containers = [{ name: 'main', image: 'app:1', ports: [{ containerPort: 80, hostPort: 8080 }] }]
  run('first', { containers })
  await until('running', () => pod('first')?.status?.phase === 'Running')
  run('second', { containers })
  await until('failed', () => pod('second')?.status?.phase === 'Failed')
  expect(pod('second')?.status?.reason).toBe('NodePorts')
  expect(pod('first')?.status?.phase).toBe('Running')
})

test('a pod of another node is left alone', async () => {
  run('other', { nodeName: 'node-2' })
  await clock.pass(5_000)
  expect(await runtime.list()).toEqual([])
})

test('out of memory is told, and the container comes back', async () => {
  run('fat')
  await until('running', () => pod('fat')?.status?.phase === 'Running')
  const container = (await runtime.list()).find((one) => one.role === 'container')
  runtime.crash(container?.id ?? '', 137, true)
  await until('restarted', () => state('fat')?.restartCount === 1 && state('fat')?.state?.running !== undefined)
  expect(state('fat')?.lastState?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 })
})

test('a pod whose host port is taken is refused, and says why', async () => {
  const containers = [{ name: 'main', image: 'app:1', ports: [{ containerPort: 80, hostPort: 80 }] }]
  run('first', { containers })
  await until('running', () => pod('first')?.status?.phase === 'Running')
  run('second', { containers })
  await until('failed', () => pod('second')?.status?.phase === 'Failed')
  expect(pod('second')?.status).toMatchObject({
    reason: 'NodePorts',
    message: expect.stringMatching(/^Pod was rejected: Predicate NodePorts failed: /),
  })
  expect(pod('second')?.status?.containerStatuses).toBeUndefined()
  await cluster.client.delete(refs.pods, 'default', 'second')
  await until('gone', () => pod('second') === undefined)
})

test('a status that somebody else has written over is put right', async () => {
  run('web')
  const ready = () => pod('web')?.status?.conditions?.find((one) => one.type === 'Ready')?.status
  await until('ready', () => ready() === 'True')
  await clock.pass(11_000)
  const altered = structuredClone(pod('web'))
  for (const one of altered?.status?.conditions ?? []) if (one.type === 'Ready') one.status = 'False'
  if (altered) cluster.put(refs.pods, altered)
  expect(ready()).toBe('False')
  await until('ready again', () => ready() === 'True')
})

const resize = (name: string, resources: ResourceRequirements): Pod => {
  const now = pod(name)
  const spec = { containers: [{ name: 'main', image: 'app:1', resources }] }
  return cluster.put<Pod>(refs.pods, { ...now, metadata: now?.metadata ?? {}, spec: { ...now?.spec, ...spec } } as Pod)
}
const condition = (name: string, type: string) => pod(name)?.status?.conditions?.find((one) => one.type === type)

test('a resize beyond the node waits, says why, and leaves what is in force', async () => {
  const resources = { requests: { memory: '1Mi' } }
  run('large', { containers: [{ name: 'main', image: 'app:1', resources }] })
  await until('running', () => pod('large')?.status?.phase === 'Running')
  resize('large', { requests: { memory: '1Pi' } })
  await until('refused', () => condition('large', 'PodResizePending')?.reason === 'Infeasible')
  expect(condition('large', 'PodResizePending')?.message).toMatch(
    /^Node didn't have enough capacity: memory, requested: 1125899906842624, capacity: \d+$/,
  )
  expect(state('large')).toMatchObject({ resources, allocatedResources: resources.requests })
  resize('large', { requests: { memory: '2Mi' } })
  await until('granted', () => state('large')?.allocatedResources?.['memory'] === '2Mi')
  expect(state('large')?.resources).toEqual({ requests: { memory: '2Mi' } })
  expect(condition('large', 'PodResizePending')).toBeUndefined()
})

test('a memory limit below what is in use stays in progress, with the error, until it is taken back', async () => {
  const resources = { limits: { memory: '8Mi' }, requests: { memory: '8Mi' } }
  run('shrunk', { containers: [{ name: 'main', image: 'app:1', resources }] })
  await until('running', () => pod('shrunk')?.status?.phase === 'Running')
  resize('shrunk', { limits: { memory: '10Ki' }, requests: { memory: '10Ki' } })
  await until('an error', () => condition('shrunk', 'PodResizeInProgress')?.reason === 'Error')
  expect(condition('shrunk', 'PodResizeInProgress')?.message).toMatch(/memory limit \(10240\) below current usage/)
  expect(state('shrunk')?.resources).toEqual(resources)
  resize('shrunk', resources)
  await until('over', () => condition('shrunk', 'PodResizeInProgress') === undefined)
})

test('a preStop hook of a container that ends by itself is not waited for', async () => {
  behaviours.set('main', { exitAfterMs: 5_000 })
  const lifecycle = { preStop: { sleep: { seconds: 50 } } }
  run('sleeper', { restartPolicy: 'Never', containers: [{ name: 'main', image: 'app:1', lifecycle }] })
  await until('running', () => pod('sleeper')?.status?.phase === 'Running')
  const startedMs = clock.monotonicMs()
  await cluster.client.delete(refs.pods, 'default', 'sleeper', { gracePeriodSeconds: 100 })
  await until('gone', () => pod('sleeper') === undefined)
  expect(clock.monotonicMs() - startedMs).toBeLessThan(20_000)
})

test('a pod that asks for users of its own waits, and says what the runtime lacks', async () => {
  run('mapped', { hostUsers: false })
  const failure = () => cluster.recorded.find(({ reason }) => reason === 'FailedCreatePodSandBox')
  await until('a failure', () => failure() !== undefined)
  expect(failure()?.message).toMatch(/does not support user namespaces/)
})

test('a rule restarts all containers of a pod, init containers first', async () => {
  const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }]
  behaviours.set('source', { exitAfterMs: 2_000, exitCode: 42 })
  behaviours.set('init', { exitAfterMs: 100 })
  const image = 'app:1'
  run('all', {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 0,
    initContainers: [{ name: 'init', image }],
    containers: [
      { name: 'source', image, restartPolicy: 'Never', restartPolicyRules },
      { name: 'other', image },
    ],
  })
  const counts = () => {
    const { initContainerStatuses = [], containerStatuses = [] } = pod('all')?.status ?? {}
    return [...initContainerStatuses, ...containerStatuses].map(({ restartCount }) => restartCount)
  }
  await until('an end', () => state('all')?.state?.terminated?.exitCode === 42)
  behaviours.delete('source')
  await until('all anew', () => pod('all')?.status?.phase === 'Running' && counts().every((count) => count === 1))
  expect(state('all')?.lastState?.terminated?.exitCode).toBe(42)
})
