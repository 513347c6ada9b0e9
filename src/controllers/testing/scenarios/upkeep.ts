import fc from 'fast-check'
import { expect } from 'vitest'
import type {
  ClusterRole,
  ConfigMap,
  Endpoints,
  EndpointSlice,
  FlowSchema,
  Node,
  Pod,
  PodDisruptionBudget,
  ResourceQuota,
  Service,
} from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import type { TestCluster } from '../cluster.ts'
import { template } from '../objects.ts'
import { attempt, isOn, node, type Scenario, steps } from '../scenario.ts'

const evictTaint = { key: 'example.com/evict', effect: 'NoExecute' }
const clusterRoles = { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }
const flowGroup = 'flowcontrol.apiserver.k8s.io'
const flowSchemas = { group: flowGroup, resource: 'flowschemas' }
const levels = { group: flowGroup, resource: 'prioritylevelconfigurations' }
const app = fc.constantFrom('web', 'db')
const number = fc.nat(3)

/** What is counted, selected, owned or aggregated is so exactly. */
export const upkeepScenario: Scenario = {
  controllers: [
    'endpoints',
    'endpointslice',
    'disruption',
    'resourcequota',
    'clusterrole-aggregation',
    'garbage-collector',
    'node-lifecycle',
    'flow-schema',
  ],
  prepare: ({ cluster }) => prepare(cluster),
  step: fc.oneof(
    steps(fc.record({ index: number, app }), 'pod', ({ cluster }, one) =>
      cluster.create(refs.pods, {
        metadata: { name: `pod-${one.index}`, labels: { app: one.app } },
        spec: { ...template().spec, terminationGracePeriodSeconds: 0 },
      }),
    ),
    steps(fc.record({ index: number, app }), 'relabel', ({ cluster }, one) =>
      cluster.change<Pod>(refs.pods, `pod-${one.index}`, (pod) => void (pod.metadata.labels = { app: one.app })),
    ),
    steps(number, 'delete pod', ({ cluster }, index) => cluster.client.delete(refs.pods, 'default', `pod-${index}`)),
    steps(number, 'owner', async ({ cluster }, index) => {
      // Children of a later owner of the same name do not belong to the one before.
      const owner = (await attempt(
        cluster.create<ConfigMap>(refs.configMaps, { metadata: { name: `owner-${index}` } }),
      )) as ConfigMap | undefined
      if (!owner) return undefined
      const { name, uid } = owner.metadata
      const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }]
      return cluster.create(refs.configMaps, { metadata: { name: `child-of-${uid}`, ownerReferences } })
    }),
    steps(number, 'delete owner', ({ cluster }, index) =>
      cluster.client.delete(refs.configMaps, 'default', `owner-${index}`),
    ),
    steps(number, 'budget', ({ cluster }, minAvailable) =>
      cluster.change<PodDisruptionBudget>(
        refs.podDisruptionBudgets,
        'web',
        (budget) => void (budget.spec!.minAvailable = minAvailable),
      ),
    ),
    steps(fc.record({ index: number, selected: isOn }), 'role', ({ cluster }, one) =>
      cluster.change<ClusterRole>(
        clusterRoles,
        `part-${one.index}`,
        (role) => void (role.metadata.labels = one.selected ? { part: 'yes' } : {}),
      ),
    ),
    steps(fc.record({ name: node, isTainted: isOn }), 'taint', ({ cluster }, { name, isTainted }) =>
      cluster.change<Node>(refs.nodes, name, (one) => {
        const others = (one.spec?.taints ?? []).filter(({ key }) => key !== evictTaint.key)
        one.spec = { ...one.spec, taints: isTainted ? [...others, evictTaint] : others }
      }),
    ),
    steps(isOn, 'priority level', ({ cluster }, isThere) =>
      isThere
        ? cluster.create(levels, { metadata: { name: 'level' }, spec: { type: 'Exempt' } })
        : cluster.client.delete(levels, '', 'level'),
    ),
  ),
  expectOrder: ({ cluster }) => expectOrder(cluster),
}

async function prepare(cluster: TestCluster): Promise<void> {
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
  await cluster.create(flowSchemas, {
    metadata: { name: 'schema' },
    spec: { priorityLevelConfiguration: { name: 'level' } },
  })
}

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
  const isThere = cluster.get(levels, 'level') !== undefined
  const dangling = cluster.get<FlowSchema>(flowSchemas, 'schema')!.status!.conditions!
  expect(dangling.map(({ type, status }) => `${type} ${status}`)).toEqual([`Dangling ${isThere ? 'False' : 'True'}`])
}
