import { afterEach, describe, expect, test } from 'vitest'
import type { Pod, PersistentVolume, PersistentVolumeClaim, PodDisruptionBudget } from '../api/kinds.ts'
import { StatusError } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import { silentLogger } from '../lib/log.ts'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { createProfile, defaultProfile } from './default-profile.ts'
import { runScheduler, type MeasuredPressure } from './scheduler.ts'
import { fakeApi, type FakeApi, fixedRandom } from './testing/fake-api.ts'
import { affinityTerm, makeNode, makePod } from './testing/objects.ts'

interface World extends FakeApi {
  clock: VirtualClock
}

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

function start(
  prepare: (api: FakeApi) => void,
  options: { profiles?: (typeof defaultProfile)[]; pressures?: MeasuredPressure } = {},
): World {
  const api = fakeApi()
  prepare(api)
  const clock = new VirtualClock(Date.UTC(2030, 0, 1))
  const abort = new AbortController()
  const { client, informers, events } = api
  const context = { client, informers, events, clock, random: fixedRandom(), logger: silentLogger, ...options }
  const running = runScheduler(context, abort.signal)
  stops.push(async () => {
    abort.abort()
    await clock.pass(0)
    await running
  })
  return { ...api, clock }
}

const condition = (pod: Pod | undefined, type = 'PodScheduled') =>
  pod?.status?.conditions?.find((one) => one.type === type)

describe('binding', () => {
  test('a pod gets a node, and an event says so', async () => {
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a'))
      informers.put(refs.pods, makePod('web'))
    })
    await world.clock.pass(10)
    expect(world.pod('web')?.spec?.nodeName).toBe('a')
    expect(world.recorded).toContainEqual({
      about: 'web',
      type: 'Normal',
      reason: 'Scheduled',
      message: 'Successfully assigned default/web to a',
    })
  })

  test('pods that are tried in one round do not get the same room', async () => {
    const world = start(({ informers }) => {
      for (const name of ['a', 'b']) informers.put(refs.nodes, makeNode(name, { cpu: '1' }))
      for (const name of ['one', 'two']) informers.put(refs.pods, makePod(name, { cpu: '800m' }))
    })
    await world.clock.pass(10)
    expect([world.pod('one')?.spec?.nodeName, world.pod('two')?.spec?.nodeName].toSorted()).toEqual(['a', 'b'])
  })

  test('a binding that fails gives the room back and is tried again', async () => {
    const world = start((api) => {
      api.informers.put(refs.nodes, makeNode('a', { cpu: '1' }))
      api.informers.put(refs.pods, makePod('web', { cpu: '800m' }))
      api.failures.set('web', new StatusError('ServiceUnavailable', 'no leader'))
    })
    await world.clock.pass(500)
    expect(world.pod('web')?.spec?.nodeName).toBeUndefined()
    world.failures.clear()
    await world.clock.pass(1000)
    expect(world.pod('web')?.spec?.nodeName).toBe('a')
  })

  test('only schedulers that are served are served, each by its own profile', async () => {
    const packing = createProfile('packer', {
      scoringStrategy: { type: 'MostAllocated', resources: [{ name: 'cpu', weight: 1 }] },
    })
    const world = start(
      ({ informers }) => {
        informers.put(refs.nodes, makeNode('empty'))
        informers.put(refs.nodes, makeNode('half'))
        informers.put(refs.pods, makePod('old', { cpu: '2', memory: '16Gi', nodeName: 'half' }))
        informers.put(refs.pods, makePod('packed', { cpu: '1', memory: '8Gi', spec: { schedulerName: 'packer' } }))
        informers.put(refs.pods, makePod('foreign', { spec: { schedulerName: 'other' } }))
        informers.put(refs.pods, makePod('plain', { cpu: '1', memory: '8Gi' }))
      },
      { profiles: [defaultProfile, packing] },
    )
    await world.clock.pass(10)
    expect(world.pod('packed')?.spec?.nodeName).toBe('half')
    expect(world.pod('plain')?.spec?.nodeName).toBe('empty')
    expect(world.pod('foreign')?.spec?.nodeName).toBeUndefined()
  })
})

test('pods that were measured to strain the same are kept apart, also when that shows later', async () => {
  const strains = new Map<string, string>()
  let changed = (): void => undefined
  const pressures: MeasuredPressure = {
    of: ({ metadata: { name = '' } }) => (strains.has(name) ? { [strains.get(name)!]: 0.9 } : undefined),
    onChange: (handler) => {
      changed = handler
      return () => (changed = () => undefined)
    },
  }
  const world = start(
    ({ informers }) => {
      for (const name of ['a', 'b']) informers.put(refs.nodes, makeNode(name))
      informers.put(refs.pods, makePod('database', { nodeName: 'a' }))
      informers.put(refs.pods, makePod('encoder', { nodeName: 'b' }))
    },
    { pressures },
  )
  await world.clock.pass(10)
  for (const [name, strain] of Object.entries({ database: 'io', encoder: 'cpu', backup: 'io', render: 'cpu' }))
    strains.set(name, strain)
  changed()
  for (const name of ['backup', 'render']) world.informers.put(refs.pods, makePod(name))
  await world.clock.pass(10)
  expect(world.pod('backup')?.spec?.nodeName).toBe('b')
  expect(world.pod('render')?.spec?.nodeName).toBe('a')
})

describe('pods that fit nowhere', () => {
  test('say why, in the condition and in an event', async () => {
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('small', { cpu: '1' }))
      for (const name of ['x', 'y'])
        informers.put(
          refs.nodes,
          makeNode(name, { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } }),
        )
      informers.put(refs.pods, makePod('web', { cpu: '2' }))
    })
    await world.clock.pass(10)
    const message =
      '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {dedicated: db}. ' +
      'preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.'
    expect(condition(world.pod('web'))).toMatchObject({ status: 'False', reason: 'Unschedulable', message })
    expect(world.recorded).toEqual([{ about: 'web', type: 'Warning', reason: 'FailedScheduling', message }])
  })

  test('without any node', async () => {
    const world = start(({ informers }) => informers.put(refs.pods, makePod('web')))
    await world.clock.pass(10)
    expect(condition(world.pod('web'))?.message).toBe('no nodes available to schedule pods')
    world.informers.put(refs.nodes, makeNode('a'))
    await world.clock.pass(1000)
    expect(world.pod('web')?.spec?.nodeName).toBe('a')
  })

  test('are tried again when a pod goes, but not for changes that cannot help', async () => {
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a', { cpu: '1' }))
      informers.put(refs.pods, makePod('old', { cpu: '1', nodeName: 'a' }))
      informers.put(refs.pods, makePod('web', { cpu: '1' }))
    })
    await world.clock.pass(5000)
    world.informers.put(refs.nodes, makeNode('a', { cpu: '1', labels: { other: 'label' } }))
    await world.clock.pass(5000)
    expect(world.recorded).toHaveLength(1)
    world.informers.remove(refs.pods, 'default', 'old')
    await world.clock.pass(10)
    expect(world.pod('web')?.spec?.nodeName).toBe('a')
  })

  test('a finished pod leaves its room', async () => {
    const done = makePod('job', { cpu: '1', nodeName: 'a', status: { phase: 'Running' } })
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a', { cpu: '1' }))
      informers.put(refs.pods, done)
      informers.put(refs.pods, makePod('web', { cpu: '1' }))
    })
    await world.clock.pass(2000)
    world.informers.put(refs.pods, { ...done, status: { phase: 'Succeeded' } } as Pod)
    await world.clock.pass(10)
    expect(world.pod('web')?.spec?.nodeName).toBe('a')
  })
})

test('a gated pod says so and waits for its gates to go', async () => {
  const gated = makePod('web', { spec: { schedulingGates: [{ name: 'example.com/wait' }] } })
  const world = start(({ informers }) => {
    informers.put(refs.nodes, makeNode('a'))
    informers.put(refs.pods, gated)
  })
  await world.clock.pass(10_000)
  expect(condition(world.pod('web'))).toMatchObject({
    status: 'False',
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
  })
  expect(world.pod('web')?.spec?.nodeName).toBeUndefined()
  world.informers.put(refs.pods, { ...gated, spec: { ...gated.spec!, schedulingGates: [] } } as Pod)
  await world.clock.pass(10)
  expect(world.pod('web')?.spec?.nodeName).toBe('a')
})

describe('preemption', () => {
  test('removes a pod of lower priority, promises its room, and takes it', async () => {
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a', { cpu: '1' }))
      informers.put(refs.pods, makePod('low', { cpu: '1', nodeName: 'a', priority: 1 }))
      informers.put(refs.pods, makePod('high', { cpu: '1', priority: 10 }))
    })
    await world.clock.pass(100)
    expect(world.pod('low')).toBeUndefined()
    expect(world.pod('high')?.status?.nominatedNodeName).toBe('a')
    expect(world.recorded).toContainEqual({
      about: 'low',
      type: 'Normal',
      reason: 'Preempted',
      message: 'Preempted by pod default-high on node a',
    })
    // Somebody who came meanwhile does not get the room.
    world.informers.put(refs.pods, makePod('thief', { cpu: '1', priority: 1 }))
    await world.clock.pass(2000)
    expect(world.pod('high')?.spec?.nodeName).toBe('a')
    expect(world.pod('thief')?.spec?.nodeName).toBeUndefined()
  })

  test('pods that their owners make anew at once do not get the room of two victims', async () => {
    const gpu = (amount: string) => ({ requests: { 'example.com/gpu': amount } })
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a', { extended: { 'example.com/gpu': '1k' } }))
      for (const [index, amount] of ['200', '300', '450'].entries())
        informers.put(refs.pods, makePod(`low-${index}`, { ...gpu(amount), nodeName: 'a', priority: index + 1 }))
    })
    const pods = world.informers.for<Pod>(refs.pods)
    let made = 0
    pods.onChange(({ object, previous }) => {
      if (object || !previous) return
      const { name = '' } = previous.metadata
      const amount = previous.spec!.containers[0]!.resources!.requests!['example.com/gpu']!
      made++
      world.informers.put(
        refs.pods,
        makePod(`${name.slice(0, 5)}-again-${made}`, { ...gpu(amount), priority: previous.spec!.priority }),
      )
    })
    world.informers.put(refs.pods, makePod('high', { ...gpu('500'), priority: 10 }))
    await world.clock.pass(5000)
    expect(world.pod('high')?.spec?.nodeName).toBe('a')
    expect(made).toBe(2)
  })

  test('prefers the node whose budget allows it', async () => {
    const budget: PodDisruptionBudget = {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'db', namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'db' } } },
      status: { disruptionsAllowed: 0 },
    }
    const world = start(({ informers }) => {
      informers.put(refs.podDisruptionBudgets, budget)
      for (const name of ['a', 'b']) informers.put(refs.nodes, makeNode(name, { cpu: '1' }))
      informers.put(refs.pods, makePod('db', { cpu: '1', nodeName: 'a', priority: 1, labels: { app: 'db' } }))
      informers.put(refs.pods, makePod('web', { cpu: '1', nodeName: 'b', priority: 2, labels: { app: 'web' } }))
      informers.put(refs.pods, makePod('high', { cpu: '1', priority: 10 }))
    })
    await world.clock.pass(2000)
    expect(world.pod('db')).toBeDefined()
    expect(world.pod('high')?.spec?.nodeName).toBe('b')
  })

  test('is not for pods that say Never', async () => {
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a', { cpu: '1' }))
      informers.put(refs.pods, makePod('low', { cpu: '1', nodeName: 'a', priority: 1 }))
      informers.put(refs.pods, makePod('high', { cpu: '1', priority: 10, spec: { preemptionPolicy: 'Never' } }))
    })
    await world.clock.pass(5000)
    expect(world.pod('low')).toBeDefined()
    expect(condition(world.pod('high'))?.message).toBe(
      '0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.',
    )
  })
})

test('the earliest deadline goes first, and one that is missed is told', async () => {
  const late = '2030-01-01T00:01:00Z'
  const world = start(({ informers }) => {
    informers.put(refs.nodes, makeNode('a', { cpu: '1' }))
    informers.put(refs.pods, makePod('none', { cpu: '1' }))
    informers.put(refs.pods, makePod('late', { cpu: '1', annotations: { 'stormo.dev/start-before': late } }))
    informers.put(
      refs.pods,
      makePod('soon', { cpu: '1', annotations: { 'stormo.dev/start-before': '2030-01-01T00:00:30Z' } }),
    )
    informers.put(refs.pods, makePod('odd', { cpu: '9', annotations: { 'stormo.dev/start-before': 'noon' } }))
  })
  await world.clock.pass(59_000)
  expect(world.pod('soon')?.spec?.nodeName).toBe('a')
  expect(world.recorded.filter(({ reason }) => reason === 'StartDeadlineMissed')).toEqual([])
  await world.clock.pass(2000)
  expect(world.recorded.filter(({ reason }) => reason === 'StartDeadlineMissed')).toEqual([
    { about: 'late', type: 'Warning', reason: 'StartDeadlineMissed', message: `No node was found before ${late}` },
  ])
  expect(world.recorded.filter(({ reason }) => reason === 'InvalidStartDeadline').map(({ about }) => about)).toEqual([
    'odd',
  ])
})

describe('volumes', () => {
  const claim: PersistentVolumeClaim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default', uid: 'claim' },
    spec: { storageClassName: 'local', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    status: { phase: 'Pending' },
  }
  const storageClass = (provisioner: string) => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local' },
    provisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
  })
  const withClaim = makePod('db', {
    spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
  })
  const bound = { ...claim, spec: { ...claim.spec, volumeName: 'pv' }, status: { phase: 'Bound' } }

  test('a claim that waits for its consumer is told the node, and the pod follows once it is bound', async () => {
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a'))
      informers.put(refs.storageClasses, storageClass('example.com/disk'))
      informers.put(refs.persistentVolumeClaims, claim)
      informers.put(refs.pods, withClaim)
    })
    await world.clock.pass(1000)
    const told = world.informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims).get('default', 'data')
    expect(told?.metadata.annotations).toEqual({ 'volume.kubernetes.io/selected-node': 'a' })
    expect(world.pod('db')?.spec?.nodeName).toBeUndefined()
    world.informers.put(refs.persistentVolumeClaims, bound)
    await world.clock.pass(10)
    expect(world.pod('db')?.spec?.nodeName).toBe('a')
  })

  test('a volume that exists is given to the claim, on the node that reaches it', async () => {
    const volume: PersistentVolume = {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'pv' },
      spec: {
        storageClassName: 'local',
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '2Gi' },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] }] },
            ],
          },
        },
      },
    }
    const world = start(({ informers }) => {
      for (const name of ['a', 'b']) informers.put(refs.nodes, makeNode(name))
      informers.put(refs.storageClasses, storageClass('kubernetes.io/no-provisioner'))
      informers.put(refs.persistentVolumes, volume)
      informers.put(refs.persistentVolumeClaims, claim)
      informers.put(refs.pods, withClaim)
    })
    await world.clock.pass(1000)
    const given = world.informers.for<PersistentVolume>(refs.persistentVolumes).get('', 'pv')
    expect(given?.spec?.claimRef).toMatchObject({ namespace: 'default', name: 'data', uid: 'claim' })
    world.informers.put(refs.persistentVolumeClaims, bound)
    await world.clock.pass(10)
    expect(world.pod('db')?.spec?.nodeName).toBe('b')
  })

  test('a claim that is not there keeps the pod waiting until it comes', async () => {
    const world = start(({ informers }) => {
      informers.put(refs.nodes, makeNode('a'))
      informers.put(refs.pods, withClaim)
    })
    await world.clock.pass(2000)
    expect(condition(world.pod('db'))?.message).toBe(
      '0/1 nodes are available: persistentvolumeclaim "data" not found. ' +
        'preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    )
    world.informers.put(refs.persistentVolumes, {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'pv' },
    })
    world.informers.put(refs.persistentVolumeClaims, bound)
    await world.clock.pass(10_000)
    expect(world.pod('db')?.spec?.nodeName).toBe('a')
  })
})

test('a pod that others must be near lets them in once it is placed', async () => {
  const world = start(({ informers }) => {
    for (const name of ['a', 'b']) informers.put(refs.nodes, makeNode(name))
    informers.put(
      refs.pods,
      makePod('near', {
        spec: {
          affinity: {
            podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [affinityTerm({ app: 'db' })] },
          },
        },
      }),
    )
  })
  await world.clock.pass(3000)
  expect(condition(world.pod('near'))?.message).toContain("2 node(s) didn't match pod affinity rules")
  world.informers.put(
    refs.pods,
    makePod('db', { labels: { app: 'db' }, spec: { nodeSelector: { 'kubernetes.io/hostname': 'b' } } }),
  )
  await world.clock.pass(10)
  expect(world.pod('near')?.spec?.nodeName).toBe('b')
})
