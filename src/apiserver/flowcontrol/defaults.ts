import type { FlowSchema, PolicyRulesWithSubjects, PriorityLevelConfiguration } from '../../api/kinds.ts'

const apiVersion = 'flowcontrol.apiserver.k8s.io/v1'
/** Marks what the cluster keeps as it is here; without it, or with `false`, the administrator's changes stay. */
export const autoUpdateAnnotation = 'apf.kubernetes.io/autoupdate-spec'

type Limited = [shares: number, lendable: number, queues?: number, hand?: number]

const limited = (name: string, [shares, lendable, queues, hand]: Limited): PriorityLevelConfiguration => ({
  apiVersion,
  kind: 'PriorityLevelConfiguration',
  metadata: { name, annotations: { [autoUpdateAnnotation]: 'true' } },
  spec: {
    type: 'Limited',
    limited: {
      nominalConcurrencyShares: shares,
      lendablePercent: lendable,
      limitResponse:
        queues === undefined
          ? { type: 'Reject' }
          : { type: 'Queue', queuing: { queues, handSize: hand, queueLengthLimit: 50 } },
    },
  },
})

/** Upstream's mandatory and suggested levels (kubernetes.io: API priority and fairness, defaults). */
export const defaultPriorityLevels: readonly PriorityLevelConfiguration[] = [
  {
    apiVersion,
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'exempt', annotations: { [autoUpdateAnnotation]: 'true' } },
    spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  },
  limited('catch-all', [5, 0]),
  limited('node-high', [40, 25, 64, 6]),
  limited('system', [30, 33, 64, 6]),
  limited('leader-election', [10, 0, 16, 4]),
  limited('workload-high', [40, 50, 128, 6]),
  limited('workload-low', [100, 90, 128, 6]),
  limited('global-default', [20, 50, 128, 6]),
]

type Subjects = PolicyRulesWithSubjects['subjects']
type Rule = Pick<PolicyRulesWithSubjects, 'resourceRules' | 'nonResourceRules'>

const group = (name: string) => ({ kind: 'Group', group: { name } })
const user = (name: string) => ({ kind: 'User', user: { name } })
const account = (name: string) => ({ kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name } })

const everything: Rule = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
}
const leases = (namespaces: string[]): Rule => ({
  resourceRules: [
    { verbs: ['get', 'create', 'update'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces },
  ],
})
const endpoints: Rule = {
  resourceRules: [
    { verbs: ['get', 'create', 'update'], apiGroups: [''], resources: ['endpoints'], namespaces: ['*'] },
    {
      verbs: ['get', 'create', 'update'],
      apiGroups: ['discovery.k8s.io'],
      resources: ['endpointslices'],
      namespaces: ['*'],
    },
  ],
}
const nodes: Rule = {
  resourceRules: [
    { verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], clusterScope: true, namespaces: ['*'] },
    { verbs: ['*'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] },
  ],
}
const probes: Rule = { nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }] }

function schema(
  name: string,
  [precedence, level, distinguisher]: [number, string, string?],
  subjects: object[],
  rule: Rule = everything,
): FlowSchema {
  return {
    apiVersion,
    kind: 'FlowSchema',
    metadata: { name, annotations: { [autoUpdateAnnotation]: 'true' } },
    spec: {
      matchingPrecedence: precedence,
      priorityLevelConfiguration: { name: level },
      ...(distinguisher ? { distinguisherMethod: { type: distinguisher } } : {}),
      rules: [{ subjects: subjects as Subjects, ...rule }],
    },
  }
}

const controllers = [
  user('system:kube-controller-manager'),
  account('endpoint-controller'),
  account('endpointslice-controller'),
  account('endpointslicemirroring-controller'),
]
const everybody = [group('system:unauthenticated'), group('system:authenticated')]

/** Upstream's mandatory and suggested schemas. */
export const defaultFlowSchemas: readonly FlowSchema[] = [
  schema('exempt', [1, 'exempt'], [group('system:masters')]),
  schema('probes', [2, 'exempt'], everybody, probes),
  schema(
    'system-leader-election',
    [100, 'leader-election', 'ByUser'],
    [user('system:kube-controller-manager'), user('system:kube-scheduler'), account('*')],
    leases(['kube-system']),
  ),
  schema('endpoint-controller', [150, 'workload-high', 'ByUser'], controllers, endpoints),
  schema(
    'workload-leader-election',
    [200, 'leader-election', 'ByUser'],
    [group('system:serviceaccounts')],
    leases(['*']),
  ),
  schema('system-node-high', [400, 'node-high', 'ByUser'], [group('system:nodes')], nodes),
  schema('system-nodes', [500, 'system', 'ByUser'], [group('system:nodes')]),
  schema('kube-controller-manager', [800, 'workload-high', 'ByNamespace'], [user('system:kube-controller-manager')]),
  schema('kube-scheduler', [800, 'workload-high', 'ByNamespace'], [user('system:kube-scheduler')]),
  schema('kube-system-service-accounts', [900, 'workload-high', 'ByNamespace'], [account('*')]),
  schema('service-accounts', [9000, 'workload-low', 'ByUser'], [group('system:serviceaccounts')]),
  schema('global-default', [9900, 'global-default', 'ByUser'], everybody),
  schema('catch-all', [10_000, 'catch-all', 'ByUser'], everybody),
]
