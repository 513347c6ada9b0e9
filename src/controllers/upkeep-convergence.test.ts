import fc from 'fast-check'
import { expect, test } from 'vitest'
import type {
  ClusterRole,
  ConfigMap,
  Endpoints,
  EndpointSlice,
  Node,
  Pod,
  PodDisruptionBudget,
  ResourceQuota,
  Service,
} from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { defaultControllers } from './default-controllers.ts'
import { startCluster, type TestCluster } from './testing/cluster.ts'
import { template } from './testing/objects.ts'
import { type PerturbedInformers, perturbedInformers } from '../client/perturbed-informers.ts'

const nodes = ['one', 'two']
const evictTaint = { key: 'example.com/evict', effect: 'NoExecute' }
const clusterRoles = { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }

type Step =
  | { do: 'pod'; index: number; app: string }
  | { do: 'relabel'; index: number; app: string }
  | { do: 'deletePod' | 'owner' | 'deleteOwner'; index: number }
  | { do: 'budget'; minAvailable: number }
  | { do: 'role'; index: number; selected: boolean }
  | { do: 'taint'; node: string; isOn: boolean }
  | { do: 'pass'; ms: number }
  | { do: 'freeze' | 'thaw' | 'mark' | 'travelBack' }

const index = fc.nat(3)
const app = fc.constantFrom('web', 'db')
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('pod' as const), index, app }),
  fc.record({ do: fc.constant('relabel' as const), index, app }),
  fc.record({ do: fc.constantFrom('deletePod' as const, 'owner' as const, 'deleteOwner' as const), index }),
  fc.record({ do: fc.constant('budget' as const), minAvailable: fc.nat(3) }),
  fc.record({ do: fc.constant('role' as const), index, selected: fc.boolean() }),
  fc.record({ do: fc.constant('taint' as const), node: fc.constantFrom(...nodes), isOn: fc.boolean() }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 100, max: 8000 }) }),
  fc
    .constantFrom('freeze' as const, 'thaw' as const, 'mark' as const, 'travelBack' as const)
    .map((one) => ({ do: one })),
)

/** A name that is taken, or an object that is gone, is no matter of these tests. */
const attempt = (work: Promise<unknown>): Promise<unknown> => work.catch(() => undefined)

async function take(cluster: TestCluster, seen: PerturbedInformers, one: Step): Promise<unknown> {
  switch (one.do) {
    case 'pod':
      return attempt(
        cluster.create(refs.pods, {
          metadata: { name: `pod-${one.index}`, labels: { app: one.app } },
          spec: { ...template().spec, terminationGracePeriodSeconds: 0 },
        }),
      )
    case 'relabel':
      return attempt(
        cluster.change<Pod>(refs.pods, `pod-${one.index}`, (pod) => void (pod.metadata.labels = { app: one.app })),
      )
    case 'deletePod':
      return attempt(cluster.client.delete(refs.pods, 'default', `pod-${one.index}`))
    case 'owner': {
      // Children of a later owner of the same name do not belong to the one before.
      const owner = (await attempt(
        cluster.create<ConfigMap>(refs.configMaps, { metadata: { name: `owner-${one.index}` } }),
      )) as ConfigMap | undefined
      if (!owner) return undefined
      const { name, uid } = owner.metadata
      const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }]
      return cluster.create(refs.configMaps, { metadata: { name: `child-of-${uid}`, ownerReferences } })
    }
    case 'deleteOwner':
      return attempt(cluster.client.delete(refs.configMaps, 'default', `owner-${one.index}`))
    case 'budget':
      return cluster.change<PodDisruptionBudget>(
        refs.podDisruptionBudgets,
        'web',
        (budget) => void (budget.spec!.minAvailable = one.minAvailable),
      )
    case 'role':
      return cluster.change<ClusterRole>(
        clusterRoles,
        `part-${one.index}`,
        (role) => void (role.metadata.labels = one.selected ? { part: 'yes' } : {}),
      )
    case 'taint':
      return cluster.change<Node>(refs.nodes, one.node, (node) => {
        const others = (node.spec?.taints ?? []).filter(({ key }) => key !== evictTaint.key)
        node.spec = { ...node.spec, taints: one.isOn ? [...others, evictTaint] : others }
      })
    case 'pass':
      return cluster.pass(one.ms)
    default:
      return seen[one.do]()
  }
}

async function prepare(cluster: TestCluster): Promise<void> {
  for (const name of nodes) await cluster.addNode(name)
  await cluster.create(refs.services, {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  await cluster.create(refs.podDisruptionBudgets, {
    metadata: { name: 'web' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
  })
  await cluster.create(refs.resourceQuotas, { metadata: { name: 'all' }, spec: { hard: { pods: '100' } } })
  for (const part of [0, 1, 2, 3])
    await cluster.create(clusterRoles, {
      metadata: { name: `part-${part}` },
      rules: [{ apiGroups: [''], resources: [`r${part}`], verbs: ['get'] }],
    })
  await cluster.create(clusterRoles, {
    metadata: { name: 'whole' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }] },
  })
}

test('services, budgets, quotas, roles, owners and taints: whatever was seen late, never, or twice, all is in order at last, and then nothing is written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 24 }), fc.nat(1000), async (steps, seed) => {
      let seen: PerturbedInformers | undefined
      const cluster = await startCluster({
        seed,
        controllers: ({ catalogue }) =>
          defaultControllers({
            caPem: 'PEM',
            resources: () =>
              catalogue
                .all()
                .filter((one) => one.verbs.includes('list') && one.verbs.includes('delete') && !one.storedAs)
                .filter((one) => one.version === one.storageVersion)
                .map(({ group, resource, kind, namespaced }) => ({ ref: { group, resource }, kind, namespaced })),
            isAlive: () => true,
          }),
        seenBy: (informers) => (seen = perturbedInformers(informers)),
      })
      try {
        await prepare(cluster)
        for (const one of steps) await take(cluster, seen!, one)
        seen!.thaw()
        await cluster.pass(180_000)
        expectOrder(cluster)
        const before = cluster.version()
        await cluster.pass(15_000)
        expect(cluster.version()).toBe(before)
      } finally {
        await cluster.stop()
      }
    }),
    { numRuns: 25 },
  )
})

function expectOrder(cluster: TestCluster): void {
  const pods = cluster.list<Pod>(refs.pods)
  const web = pods.filter((pod) => pod.metadata.labels?.['app'] === 'web')
  const ready = web.filter((pod) =>
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  )
  const ips = ready.map((pod) => pod.status!.podIP!).toSorted()
  const service = cluster.get<Service>(refs.services, 'web')!
  const slices = cluster
    .list<EndpointSlice>(refs.endpointSlices)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === service.metadata.uid))
  const endpoints = slices.flatMap((slice) => slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready)
  expect(endpoints.flatMap(({ addresses }) => addresses).toSorted()).toEqual(ips)
  const legacy = cluster.get<Endpoints>(refs.endpoints, 'web')
  expect((legacy?.subsets ?? []).flatMap(({ addresses }) => (addresses ?? []).map(({ ip }) => ip)).toSorted()).toEqual(
    ips,
  )
  const budget = cluster.get<PodDisruptionBudget>(refs.podDisruptionBudgets, 'web')!
  expect(budget.status).toMatchObject({
    expectedPods: web.length,
    currentHealthy: ready.length,
    disruptionsAllowed: Math.max(0, web.length > 0 ? ready.length - Number(budget.spec!.minAvailable) : 0),
  })
  expect(cluster.get<ResourceQuota>(refs.resourceQuotas, 'all')!.status!.used).toEqual({ pods: String(pods.length) })
  const roles = cluster.list<ClusterRole>(clusterRoles)
  const parts = roles.filter(({ metadata }) => metadata.labels?.['part'] === 'yes')
  const whole = roles.find(({ metadata }) => metadata.name === 'whole')!
  expect(whole.rules?.flatMap(({ resources }) => resources ?? []).toSorted() ?? []).toEqual(
    parts.flatMap(({ rules }) => rules?.flatMap(({ resources }) => resources ?? []) ?? []).toSorted(),
  )
  const maps = cluster.list<ConfigMap>(refs.configMaps, 'default')
  const owners = maps.filter(({ metadata }) => metadata.name!.startsWith('owner-')).map(({ metadata }) => metadata.uid)
  const children = maps.filter(({ metadata }) => metadata.name!.startsWith('child-of-'))
  expect(children.map(({ metadata }) => metadata.ownerReferences![0]!.uid).toSorted()).toEqual(owners.toSorted())
  const tainted = cluster
    .list<Node>(refs.nodes)
    .filter(({ spec }) => spec?.taints?.some(({ key }) => key === evictTaint.key))
    .map(({ metadata }) => metadata.name)
  expect(pods.filter(({ spec }) => tainted.includes(spec?.nodeName))).toEqual([])
}
