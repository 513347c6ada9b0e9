import type {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Lease,
  LimitRange,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  ResourceQuota,
  Secret,
  Service,
} from '../src/api/kinds.ts'
import type { KubeObject } from '../src/api/object.ts'
import { isStatus } from '../src/api/status-error.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { formatLabelSelector } from '../src/lib/selector.ts'
import type { ApiResource } from './discovery.ts'
import { describeConfigMap, describeNamespace, describeSecret } from './printers/describe/data.ts'
import { describeGeneric } from './printers/describe/generic.ts'
import type { DescribeContext, EventLike } from './printers/describe/lines.ts'
import { describeNode } from './printers/describe/node.ts'
import { describePod } from './printers/describe/pod.ts'
import { describeService } from './printers/describe/service.ts'
import { describeDeployment, describeReplicaSet, type PodCounts } from './printers/describe/workload.ts'

export interface DescribeRequest {
  nowMs: number
  withEvents: boolean
}

/** Gets what a description needs besides the object itself, and hands all to the kind's printer. */
type Describer = (client: RestClient, object: KubeObject, context: DescribeContext) => Promise<string[]>

const describers: Readonly<Record<string, Describer>> = {
  pods: async (_client, object, context) => describePod(object as Pod, context),
  configmaps: async (_client, object, context) => describeConfigMap(object as ConfigMap, context),
  secrets: async (_client, object) => describeSecret(object as Secret),
  'deployments.apps': async (client, object, context) => {
    const owned = (await listOf<ReplicaSet>(client, `/apis/apps/v1${scopeOf(object)}/replicasets`)).filter((set) =>
      isOwnedBy(set, object),
    )
    const replicaSets = owned.toSorted((a, b) =>
      (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''),
    )
    return describeDeployment(object as Deployment, { ...context, replicaSets })
  },
  'replicasets.apps': async (client, object, context) => {
    const set = object as ReplicaSet
    const pods = await listOf<Pod>(client, `/api/v1${scopeOf(object)}/pods`, {
      labelSelector: formatLabelSelector(set.spec?.selector),
    })
    return describeReplicaSet(set, { ...context, pods: countPods(pods.filter((pod) => isOwnedBy(pod, object))) })
  },
  services: async (client, object, context) => {
    const slices = await listOf<EndpointSlice>(client, `/apis/discovery.k8s.io/v1${scopeOf(object)}/endpointslices`, {
      labelSelector: `kubernetes.io/service-name=${object.metadata.name}`,
    })
    return describeService(object as Service, { ...context, slices })
  },
  nodes: async (client, object, context) => {
    const { name = '' } = object.metadata
    const [pods, lease] = await Promise.all([
      listOf<Pod>(client, '/api/v1/pods', {
        fieldSelector: `spec.nodeName=${name},status.phase!=Succeeded,status.phase!=Failed`,
      }),
      client
        .json<Lease>({ path: `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}` })
        .catch(ignoreMissing),
    ])
    return describeNode(object as Node, { ...context, pods, ...(lease ? { lease } : {}) })
  },
  namespaces: async (client, object, context) => {
    const scope = `/api/v1/namespaces/${object.metadata.name}`
    const [quotas, limitRanges] = await Promise.all([
      listOf<ResourceQuota>(client, `${scope}/resourcequotas`),
      listOf<LimitRange>(client, `${scope}/limitranges`),
    ])
    return describeNamespace(object as Namespace, { ...context, quotas, limitRanges })
  },
}

/** The lines of an object's description; cells are separated by tabs. */
export async function describeObject(
  client: RestClient,
  resource: ApiResource,
  object: KubeObject,
  { nowMs, withEvents }: DescribeRequest,
): Promise<string[]> {
  const events = withEvents ? await eventsOf(client, resource, object) : undefined
  const context: DescribeContext = { nowMs, ...(events ? { events } : {}) }
  const describe = describers[resource.group ? `${resource.resource}.${resource.group}` : resource.resource]
  return describe ? await describe(client, object, context) : describeGeneric(object, context)
}

async function eventsOf(client: RestClient, resource: ApiResource, object: KubeObject): Promise<EventLike[]> {
  const { name, namespace, uid } = object.metadata
  const fields = { name, namespace, kind: resource.kind, uid: resource.resource === 'nodes' ? undefined : uid }
  const fieldSelector = Object.entries(fields)
    .flatMap(([field, value]) => (value ? [`involvedObject.${field}=${value}`] : []))
    .join(',')
  return await listOf<EventLike>(client, namespace ? `/api/v1/namespaces/${namespace}/events` : '/api/v1/events', {
    fieldSelector,
  })
}

async function listOf<T>(client: RestClient, path: string, query: Record<string, string> = {}): Promise<T[]> {
  return (await client.json<{ items: T[] }>({ path, query })).items
}

const scopeOf = (object: KubeObject): string => `/namespaces/${object.metadata.namespace}`

const isOwnedBy = (object: KubeObject, owner: KubeObject): boolean =>
  object.metadata.ownerReferences?.some((one) => one.controller && one.uid === owner.metadata.uid) ?? false

const ignoreMissing = (error: unknown): undefined => {
  if (!isStatus(error, 'NotFound')) throw error
}

export function countPods(pods: readonly Pod[]): PodCounts {
  const of = (phase: string): number => pods.filter((pod) => pod.status?.phase === phase).length
  return { running: of('Running'), waiting: of('Pending'), succeeded: of('Succeeded'), failed: of('Failed') }
}
