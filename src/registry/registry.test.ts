import { beforeEach, describe, expect, test } from 'vitest'
import { createAdmissionChain } from '../admission/chain.ts'
import type { KubeObject } from '../api/object.ts'
import { errors, type StatusError } from '../api/status-error.ts'
import type { Write } from '../store/store.ts'
import { memoryStore } from './testing/memory-store.ts'
import { testRegistry } from './testing/environment.ts'

let env: ReturnType<typeof testRegistry>
beforeEach(() => {
  env = testRegistry()
})

const container = { name: 'c', image: 'nginx' }
const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { containers: [container], ...spec },
})
const deployment = (name: string) => ({
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } },
  },
})
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: StatusError) => error.reason,
  )

test('what admission adds belongs to nobody', async () => {
  const admission = createAdmissionChain([
    {
      name: 'Labels',
      mutates({ object }) {
        const labels = object?.metadata.labels
        if (labels && !labels['added']) labels['added'] = 'yes'
        return false
      },
    },
  ])
  const registry = testRegistry({ admission })
  const owned = ({ metadata }: KubeObject) => {
    const fields = metadata.managedFields?.[0]?.fieldsV1 as { 'f:metadata': { 'f:labels': object } }
    return Object.keys(fields['f:metadata']['f:labels'])
  }
  const made = await registry.create('configmaps', { metadata: { name: 'a', labels: { own: 'a' } } })
  expect(made.metadata.labels).toEqual({ own: 'a', added: 'yes' })
  expect(owned(made)).toEqual(['.', 'f:own'])
  const changed = await registry.update('configmaps', { ...made, metadata: { ...made.metadata, labels: { own: 'b' } } })
  expect(changed.metadata.labels).toEqual({ own: 'b', added: 'yes' })
  expect(owned(changed)).toEqual(['.', 'f:own'])
})

describe('create', () => {
  test('the server sets uid, time and generation, whatever the body says', async () => {
    const made = await env.create('deployments.apps', {
      ...deployment('d'),
      metadata: { name: 'd', uid: 'mine', generation: 7 },
    })
    expect(made.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/)
    expect(made.metadata.generation).toBe(1)
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  })
  test('a generated name that is taken is tried again', async () => {
    const names: string[] = []
    const store = memoryStore()
    let refusals = 2
    const registry = testRegistry({
      store: {
        ...store,
        async write(write: Write) {
          names.push(write.key.name)
          if (refusals-- > 0) throw errors.alreadyExists(write.key, write.key.name)
          return store.write(write)
        },
      },
    })
    const made = await registry.create('configmaps', { metadata: { generateName: 'g-' } })
    expect(made.metadata.name).toMatch(/^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    expect(new Set(names).size).toBe(3)
  })
  test('a body of another kind, namespace or with a version is a bad request', async () => {
    expect(await reasonOf(env.create('configmaps', { kind: 'Secret', metadata: { name: 'x' } }))).toBe('BadRequest')
    expect(await reasonOf(env.create('configmaps', { metadata: { name: 'x', namespace: 'other' } }))).toBe('BadRequest')
    expect(await reasonOf(env.create('configmaps', { metadata: { name: 'x', resourceVersion: '1' } }))).toBe(
      'BadRequest',
    )
  })
})

describe('update', () => {
  test('generation counts changes of the spec, not of metadata or status', async () => {
    const made = await env.create('deployments.apps', deployment('d'))
    const labelled = await env.update('deployments.apps', {
      ...made,
      metadata: { ...made.metadata, labels: { x: 'y' } },
    })
    expect(labelled.metadata.generation).toBe(1)
    const scaled = await env.update('deployments.apps', { ...labelled, spec: { ...labelled.spec, replicas: 2 } })
    expect(scaled.metadata.generation).toBe(2)
    const status = await env.update('deployments.apps', { ...scaled, status: { replicas: 2 } }, 'status')
    expect(status.metadata.generation).toBe(2)
    expect(status.status.replicas).toBe(2)
  })
  test('an update that changes nothing is not written', async () => {
    const made = await env.create('configmaps', { metadata: { name: 'c' }, data: { a: '1' } })
    const before = env.store.currentVersion()
    expect((await env.update('configmaps', made)).metadata.resourceVersion).toBe(made.metadata.resourceVersion)
    expect(env.store.currentVersion()).toBe(before)
  })
  test('only what names a version or uid is a decided write', async () => {
    const writes: Write[] = []
    const store = memoryStore()
    env = testRegistry({ store: { ...store, write: (write: Write) => (writes.push(write), store.write(write)) } })
    const made = await env.create('configmaps', { metadata: { name: 'c' } })
    await env.update('configmaps', { ...made, data: { a: '1' } })
    const { resourceVersion: _version, uid: _uid, ...bare } = made.metadata
    await env.update('configmaps', { ...made, metadata: bare, data: { a: '2' } })
    const patch = (body: object) =>
      env.registry.patch(env.context, env.target('configmaps', 'c'), { type: 'merge', body }, {})
    await patch({ data: { a: '3' } })
    await patch({ metadata: { uid: made.metadata.uid }, data: { a: '4' } })
    expect(writes.map(({ decided }) => decided)).toEqual([false, true, false, false, true])
    expect(writes.map((write) => 'resourceVersion' in write && write.resourceVersion)).toEqual([
      false,
      made.metadata.resourceVersion,
      false,
      false,
      false,
    ])
  })
  test('a lost race without a precondition is run again on the newer state', async () => {
    const store = memoryStore()
    let races = 1
    env = testRegistry({
      store: {
        ...store,
        async write(write: Write) {
          if (write.op === 'update' && races-- > 0) throw errors.conflict(write.key, write.key.name, 'raced')
          return store.write(write)
        },
      },
    })
    await env.create('configmaps', { metadata: { name: 'c' } })
    let runs = 0
    await env.registry.mutate(
      env.context,
      env.target('configmaps', 'c'),
      (current) => (runs++, { ...current, data: { x: 'y' } } as KubeObject),
      {},
    )
    expect(runs).toBe(2)
    expect((await env.get('configmaps', 'c')).data).toEqual({ x: 'y' })
  })
})

describe('delete', () => {
  const remove = (resource: string, name: string, request = {}) =>
    env.registry.delete(env.context, env.target(resource, name), request)

  test('a pod without a node goes at once, one on a node waits for its kubelet', async () => {
    await env.create('pods', pod('free'))
    expect((await remove('pods', 'free')).gone).toBe(true)
    await env.create('pods', pod('bound', { nodeName: 'n', terminationGracePeriodSeconds: 20 }))
    const marked = await remove('pods', 'bound')
    expect(marked).toMatchObject({
      gone: false,
      object: { metadata: { deletionGracePeriodSeconds: 20, deletionTimestamp: expect.any(String) } },
    })
    expect((await remove('pods', 'bound')).gone).toBe(false)
    expect((await remove('pods', 'bound', { gracePeriodSeconds: 5 })).object.metadata.deletionGracePeriodSeconds).toBe(
      5,
    )
    expect((await remove('pods', 'bound', { gracePeriodSeconds: 0 })).gone).toBe(true)
  })
  test('a finalizer that comes while a deletion is admitted holds the object', async () => {
    let registry = env
    const hold = async (): Promise<void> => {
      const { metadata, ...rest } = await registry.get('configmaps', 'a')
      await registry.update('configmaps', { ...rest, metadata: { ...metadata, finalizers: ['example.com/held'] } })
    }
    registry = testRegistry({
      admission: createAdmissionChain([
        { name: 'Slow', validates: async ({ operation }) => (operation === 'DELETE' ? hold() : undefined) },
      ]),
    })
    await registry.create('configmaps', { metadata: { name: 'a' } })
    const { gone, object } = await registry.registry.delete(registry.context, registry.target('configmaps', 'a'), {})
    expect(gone).toBe(false)
    expect(object.metadata).toMatchObject({ finalizers: ['example.com/held'], deletionTimestamp: expect.any(String) })
  })
  test.each([
    ['Orphan', ['orphan']],
    ['Foreground', ['foregroundDeletion']],
  ])('propagation %s leaves its finalizer to the garbage collector', async (propagationPolicy, finalizers) => {
    await env.create('deployments.apps', deployment('d'))
    const { object, gone } = await remove('deployments.apps', 'd', { propagationPolicy })
    expect(gone).toBe(false)
    expect(object.metadata.finalizers).toEqual(finalizers)
    await env.update('deployments.apps', { ...object, metadata: { ...object.metadata, finalizers: [] } })
    expect(await reasonOf(env.get('deployments.apps', 'd'))).toBe('NotFound')
  })
  test('a namespace stays until it is finalized', async () => {
    await env.create('namespaces', { metadata: { name: 'n' } })
    const { object } = await remove('namespaces', 'n')
    expect(object).toMatchObject({ status: { phase: 'Terminating' }, spec: { finalizers: ['kubernetes'] } })
    await env.update('namespaces', { ...object, spec: { finalizers: [] } } as KubeObject, 'finalize')
    expect(await reasonOf(env.get('namespaces', 'n'))).toBe('NotFound')
  })
  test('dry run removes nothing', async () => {
    await env.create('configmaps', { metadata: { name: 'c' } })
    await remove('configmaps', 'c', { dryRun: true })
    expect(await env.get('configmaps', 'c')).toBeDefined()
  })
})

describe('pods', () => {
  const post = (name: string, subresource: string, value: object) =>
    env.registry.create(env.context, env.target('pods', name, subresource), { value, strictErrors: [] }, {})

  test('a binding is decided and happens once', async () => {
    await env.create('pods', pod('p'))
    await post('p', 'binding', { metadata: { name: 'p' }, target: { name: 'n1' } })
    expect(await env.get('pods', 'p')).toMatchObject({
      spec: { nodeName: 'n1' },
      status: { conditions: [{ type: 'PodScheduled', status: 'True' }] },
    })
    expect(await reasonOf(post('p', 'binding', { metadata: { name: 'p' }, target: { name: 'n2' } }))).toBe('Conflict')
  })
  test('an eviction asks the disruption budget and counts against it', async () => {
    const budget = await env.create('poddisruptionbudgets.policy', {
      metadata: { name: 'b' },
      spec: { minAvailable: 1, selector: { matchLabels: { a: 'b' } } },
    })
    const status = {
      observedGeneration: 1,
      currentHealthy: 2,
      desiredHealthy: 1,
      disruptionsAllowed: 1,
      expectedPods: 2,
    }
    await env.update('poddisruptionbudgets.policy', { ...budget, status }, 'status')
    const running = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
    for (const name of ['p1', 'p2']) {
      const made = await env.create('pods', pod(name, { nodeName: 'n' }, { labels: { a: 'b' } }))
      await env.update('pods', { ...made, status: running }, 'status')
    }
    await post('p1', 'eviction', { metadata: { name: 'p1' } })
    expect(await env.get('poddisruptionbudgets.policy', 'b')).toMatchObject({
      status: { disruptionsAllowed: 0, disruptedPods: { p1: expect.any(String) } },
    })
    expect(await env.get('pods', 'p1')).toMatchObject({ metadata: { deletionTimestamp: expect.any(String) } })
    expect(await reasonOf(post('p2', 'eviction', { metadata: { name: 'p2' } }))).toBe('TooManyRequests')
  })
})

describe('scale', () => {
  test('is a view of the workload', async () => {
    await env.create('deployments.apps', deployment('d'))
    const target = env.target('deployments.apps', 'd', 'scale')
    expect(await env.registry.get(env.context, target)).toMatchObject({
      kind: 'Scale',
      spec: { replicas: 1 },
      status: { selector: 'a=b' },
    })
    await env.registry.patch(env.context, target, { type: 'merge', body: { spec: { replicas: 5 } } }, {})
    expect((await env.get('deployments.apps', 'd')).spec.replicas).toBe(5)
    expect(
      await reasonOf(env.registry.patch(env.context, target, { type: 'merge', body: { spec: { replicas: -1 } } }, {})),
    ).toBe('Invalid')
  })
})

describe('watch', () => {
  test('a watcher that falls too far behind is ended with 410', async () => {
    const stream = env.registry.watch(env.context, env.target('configmaps'), {
      resourceVersion: String(env.store.currentVersion()),
    })
    for (let at = 0; at <= 10_000; at++) {
      await env.store.write({
        op: 'create',
        decided: false,
        key: { group: '', resource: 'configmaps', namespace: 'default', name: `c${at}` },
        object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c${at}`, namespace: 'default' } },
      })
    }
    const seen: { type: string; object: unknown }[] = []
    for await (const event of stream) seen.push(event)
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ type: 'ERROR', object: { code: 410 } })
  })
})
