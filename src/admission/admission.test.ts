import { beforeEach, describe, expect, test } from 'vitest'
import type { Pod, UserInfo } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import { createAdmissionChain } from './chain.ts'
import type { AdmissionAttributes } from './plugin.ts'
import { aPod, attributesOf, builtInChain } from './testing/built-in-chain.ts'

let built: ReturnType<typeof builtInChain>
beforeEach(() => {
  built = builtInChain()
})
const admit: typeof built.admit = (rest) => built.admit(rest)
const admitPod: typeof built.admitPod = (spec) => built.admitPod(spec)
const put: typeof built.put = (ref, object) => built.put(ref, object)

describe('NamespaceLifecycle', () => {
  test('an absent namespace is 404', async () => {
    await expect(admit({ namespace: 'nope' })).rejects.toMatchObject({
      code: 404,
      message: 'namespaces "nope" not found',
    })
  })

  test('a terminating one takes nothing new, but lets changes and deletions pass', async () => {
    put(refs.namespaces, { metadata: { name: 'shop' }, status: { phase: 'Terminating' } })
    await expect(admit()).rejects.toMatchObject({
      code: 403,
      message: 'pods "web" is forbidden: unable to create new content in namespace shop because it is being terminated',
      details: { causes: [{ reason: 'NamespaceTerminating', field: 'metadata.namespace' }] },
    })
    await admit({ operation: 'UPDATE', oldObject: aPod() })
    await admit({ operation: 'DELETE', object: undefined, oldObject: aPod() })
  })

  test.each(['default', 'kube-system', 'kube-public'])('%s stays', async (name) => {
    const ref = { group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace' }
    await expect(admit({ operation: 'DELETE', ref, namespace: '', name })).rejects.toMatchObject({
      code: 403,
      message: `namespaces "${name}" is forbidden: this namespace may not be deleted`,
    })
  })
})

describe('ServiceAccount', () => {
  test('a pod runs as default, with token, CA and namespace at the known path', async () => {
    const spec = await admitPod({ initContainers: [{ name: 'init', image: 'i' }] })
    expect(spec.serviceAccountName).toBe('default')
    const [volume] = spec.volumes!
    expect(volume!.name).toMatch(/^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    expect(volume!.projected!.sources!.map((source) => Object.keys(source)[0])).toEqual([
      'serviceAccountToken',
      'configMap',
      'downwardAPI',
    ])
    for (const container of [...spec.containers, ...spec.initContainers!]) {
      expect(container.volumeMounts).toEqual([
        { name: volume!.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
      ])
    }
  })

  test('nobody who says no gets a token; the pod has the last word', async () => {
    expect((await admitPod({ automountServiceAccountToken: false })).volumes).toBeUndefined()
    put(refs.serviceAccounts, {
      metadata: { namespace: 'shop', name: 'default' },
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: 'reg' }],
    })
    const spec = await admitPod()
    expect(spec.volumes).toBeUndefined()
    expect(spec.imagePullSecrets).toEqual([{ name: 'reg' }])
    expect((await admitPod({ automountServiceAccountToken: true })).volumes).toHaveLength(1)
  })

  test('run twice adds one volume', async () => {
    const attributes = await admit()
    await built.chain.mutate(attributes)
    expect((attributes.object as Pod).spec!.volumes).toHaveLength(1)
    expect((attributes.object as Pod).spec!.containers[0]!.volumeMounts).toHaveLength(1)
  })

  test('an account that is not there is named', async () => {
    await expect(admitPod({ serviceAccountName: 'ghost' })).rejects.toMatchObject({
      code: 403,
      message: 'pods "web" is forbidden: error looking up service account shop/ghost: serviceaccount "ghost" not found',
    })
  })

  test('an account that comes a moment later is waited for', async () => {
    built.informers.remove(refs.serviceAccounts, 'shop', 'default')
    const admitted = admitPod()
    put(refs.serviceAccounts, { metadata: { namespace: 'shop', name: 'default' } })
    expect((await admitted).serviceAccountName).toBe('default')
  })
})

test('DefaultTolerationSeconds adds what the pod does not speak of', async () => {
  const key = 'node.kubernetes.io/unreachable'
  const own = { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }
  expect((await admitPod({ tolerations: [own] })).tolerations).toEqual([
    own,
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
  ])
  expect((await admitPod({ tolerations: [{ operator: 'Exists' }] })).tolerations).toHaveLength(1)
})

describe('Priority', () => {
  const putClass = (name: string, value: number, rest = {}): void =>
    put(refs.priorityClasses, { metadata: { name }, value, ...rest })

  test('the class, else the default class, else 0', async () => {
    expect((await admitPod()).priority).toBe(0)
    putClass('base', 7, { globalDefault: true })
    putClass('high', 100, { preemptionPolicy: 'Never' })
    expect(await admitPod()).toMatchObject({ priority: 7, priorityClassName: 'base' })
    expect(await admitPod({ priorityClassName: 'high' })).toMatchObject({ priority: 100, preemptionPolicy: 'Never' })
    expect((await admitPod({ priorityClassName: 'system-node-critical' })).priority).toBe(2_000_001_000)
  })

  test('refuses what the class does not say', async () => {
    await expect(admitPod({ priorityClassName: 'x' })).rejects.toThrow('no PriorityClass with name x was found')
    await expect(admitPod({ priority: 9 })).rejects.toThrow('the integer value of priority (9) must not be provided')
  })
})

test('TaintNodesByCondition taints new nodes once', async () => {
  const ref = { group: '', version: 'v1', resource: 'nodes', kind: 'Node' }
  const object = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } }
  const attributes = await admit({ ref, namespace: '', name: 'n', object })
  await built.chain.mutate(attributes)
  expect((attributes.object as { spec?: object }).spec).toEqual({
    taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
  })
})

describe('NodeRestriction', () => {
  const node: UserInfo = { username: 'system:node:n1', groups: ['system:nodes'] }
  const onNode = (resource: string, rest: Partial<AdmissionAttributes>): Promise<AdmissionAttributes> =>
    admit({
      user: node,
      ref: { group: resource === 'leases' ? 'coordination.k8s.io' : '', version: 'v1', resource, kind: 'X' },
      operation: 'UPDATE',
      ...rest,
    })
  const nodeObject = (name: string, labels = {}, taints: object[] = []): KubeObject =>
    ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: { taints } }) as KubeObject

  test('its own Node, but no taints and no labels of the cluster', async () => {
    const base = { namespace: '', name: 'n1', oldObject: nodeObject('n1') }
    await onNode('nodes', { ...base, object: nodeObject('n1', { mine: 'x', 'kubernetes.io/os': 'linux' }) })
    await expect(onNode('nodes', { ...base, object: nodeObject('n2') })).rejects.toThrow(
      'node "n1" is not allowed to modify node "n2"',
    )
    await expect(onNode('nodes', { ...base, object: nodeObject('n1', {}, [{ key: 'a' }]) })).rejects.toThrow('taints')
    await expect(
      onNode('nodes', { ...base, object: nodeObject('n1', { 'node-role.kubernetes.io/control-plane': '' }) }),
    ).rejects.toThrow('is not allowed to modify the following labels: node-role.kubernetes.io/control-plane')
  })

  test('the status of its own pods, without labels', async () => {
    const status = (nodeName: string, labels = {}): Promise<AdmissionAttributes> => {
      const pod = aPod({ nodeName })
      return onNode('pods', {
        subresource: 'status',
        object: { ...pod, metadata: { ...pod.metadata, labels } },
        oldObject: pod,
      })
    }
    await status('n1')
    await expect(status('n2')).rejects.toThrow('can only update pod status for pods with spec.nodeName set to itself')
    await expect(status('n1', { a: 'b' })).rejects.toThrow('cannot update labels through pod status')
  })
})

describe('storage', () => {
  const claim = (size: string, rest: object = {}): KubeObject =>
    ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'd' },
      spec: { resources: { requests: { storage: size } }, ...rest },
      status: { phase: 'Bound' },
    }) as KubeObject
  const ref = { group: '', version: 'v1', resource: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim' }
  const putClass = (name: string, rest: object, at = '2026-01-01T00:00:00Z'): void =>
    put(refs.storageClasses, {
      metadata: { name, creationTimestamp: at, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      ...rest,
    })

  test('the newest default class, and a finalizer', async () => {
    putClass('old', {})
    putClass('new', {}, '2026-02-01T00:00:00Z')
    const { object } = await admit({ ref, object: claim('1Gi') })
    expect(object).toMatchObject({
      spec: { storageClassName: 'new' },
      metadata: { finalizers: ['kubernetes.io/pvc-protection'] },
    })
    const none = await admit({ ref, object: claim('1Gi', { storageClassName: '' }) })
    expect(none.object).toMatchObject({ spec: { storageClassName: '' } })
  })

  test('grows only where the class allows it', async () => {
    putClass('a', { allowVolumeExpansion: true })
    putClass('b', {})
    const grow = (storageClassName: string): Promise<unknown> =>
      admit({
        ref,
        operation: 'UPDATE',
        object: claim('2Gi', { storageClassName }),
        oldObject: claim('1Gi', { storageClassName }),
      })
    await grow('a')
    await expect(grow('b')).rejects.toThrow('must support resize')
  })
})

test('what one plugin changes in the first round, all see in the second, and there is no third', async () => {
  const rounds: number[] = []
  let round = 0
  await createAdmissionChain([
    { name: 'a', mutates: () => void rounds.push(round) },
    { name: 'b', mutates: () => ++round > 0 },
  ]).mutate(attributesOf())
  expect(rounds).toEqual([0, 1])
})
