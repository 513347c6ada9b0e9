import type {
  CertificateSigningRequest,
  Deployment,
  EndpointSlice,
  Ingress,
  Lease,
  LimitRange,
  Namespace,
  Node,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from '../src/api/kinds.ts'
import type { KubeObject } from '../src/api/object.ts'
import { isStatus } from '../src/api/status-error.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { formatLabels, formatLabelSelector } from '../src/lib/selector.ts'
import type { ApiResource } from './discovery.ts'
import { describeAutoscaler } from './printers/describe/autoscaler.ts'
import { describeConfigMap, describeNamespace, describeSecret } from './printers/describe/data.ts'
import { describeEndpoints, describeEndpointSlice } from './printers/describe/endpoints.ts'
import { describeGeneric } from './printers/describe/generic.ts'
import {
  backendServices,
  describeIngress,
  describeIngressClass,
  type ResolvedBackend,
} from './printers/describe/ingress.ts'
import { describeCronJob, describeJob } from './printers/describe/jobs.ts'
import {
  describeDisruptionBudget,
  describeLimitRange,
  describePriorityClass,
  describeQuota,
} from './printers/describe/limits.ts'
import type { DescribeContext, EventLike } from './printers/describe/lines.ts'
import { describeNetworkPolicy } from './printers/describe/network-policy.ts'
import { describeNode } from './printers/describe/node.ts'
import { describePod } from './printers/describe/pod.ts'
import { describeBinding, describeRole, describeServiceAccount } from './printers/describe/rbac.ts'
import { describeService } from './printers/describe/service.ts'
import { describeDaemonSet, describeReplicationController, describeStatefulSet } from './printers/describe/sets.ts'
import { describeSigningRequest } from './printers/describe/signing-request.ts'
import {
  describePersistentVolume,
  describePersistentVolumeClaim,
  describeStorageClass,
} from './printers/describe/storage.ts'
import {
  describeDeployment,
  describeReplicaSet,
  type PodCounts,
  type PodsContext,
} from './printers/describe/workload.ts'

export interface DescribeRequest {
  nowMs: number
  withEvents: boolean
}

/** Gets what a description needs besides the object itself, and hands all to the kind's printer. */
type Describer = (client: RestClient, object: KubeObject, context: DescribeContext) => Promise<string[]>

/** A kind whose object says it all. The registry knows that objects of the resource are of the printer's type. */
const alone =
  <T extends KubeObject>(describe: (object: T, context: DescribeContext) => string[]): Describer =>
  async (_client, object, context) =>
    describe(object as T, context)

/** A kind whose description counts its pods. */
const withPods =
  <T extends KubeObject>(describe: (object: T, context: PodsContext) => string[]): Describer =>
  async (client, object, context) => {
    const { selector } = (object as { spec?: { selector?: object } }).spec ?? {}
    // A replication controller's selector is a plain map of labels.
    const labelSelector =
      object.kind === 'ReplicationController'
        ? formatLabels(selector as Record<string, string>)
        : formatLabelSelector(selector)
    const pods = await listOf<Pod>(client, `/api/v1${scopeOf(object)}/pods`, { labelSelector })
    return describe(object as T, { ...context, pods: countPods(pods.filter((pod) => isOwnedBy(pod, object))) })
  }

const slicesOf = (client: RestClient, namespace: string | undefined, service: string): Promise<EndpointSlice[]> =>
  listOf<EndpointSlice>(client, `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    labelSelector: `kubernetes.io/service-name=${service}`,
  })

const describers: Readonly<Record<string, Describer>> = {
  pods: alone(describePod),
  configmaps: alone(describeConfigMap),
  secrets: alone(describeSecret),
  endpoints: alone(describeEndpoints),
  resourcequotas: alone(describeQuota),
  limitranges: alone(describeLimitRange),
  persistentvolumes: alone(describePersistentVolume),
  replicationcontrollers: withPods(describeReplicationController),
  'replicasets.apps': withPods(describeReplicaSet),
  'statefulsets.apps': withPods(describeStatefulSet),
  'daemonsets.apps': withPods(describeDaemonSet),
  'jobs.batch': alone(describeJob),
  'cronjobs.batch': alone(describeCronJob),
  'storageclasses.storage.k8s.io': alone(describeStorageClass),
  'ingressclasses.networking.k8s.io': alone(describeIngressClass),
  'networkpolicies.networking.k8s.io': alone(describeNetworkPolicy),
  'endpointslices.discovery.k8s.io': alone(describeEndpointSlice),
  'horizontalpodautoscalers.autoscaling': alone(describeAutoscaler),
  'poddisruptionbudgets.policy': alone(describeDisruptionBudget),
  'priorityclasses.scheduling.k8s.io': alone(describePriorityClass),
  'roles.rbac.authorization.k8s.io': alone(describeRole),
  'clusterroles.rbac.authorization.k8s.io': alone(describeRole),
  'rolebindings.rbac.authorization.k8s.io': alone(describeBinding),
  'clusterrolebindings.rbac.authorization.k8s.io': alone(describeBinding),
  'deployments.apps': async (client, object, context) => {
    const owned = (await listOf<ReplicaSet>(client, `/apis/apps/v1${scopeOf(object)}/replicasets`)).filter((set) =>
      isOwnedBy(set, object),
    )
    const replicaSets = owned.toSorted((a, b) =>
      (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''),
    )
    return describeDeployment(object as Deployment, { ...context, replicaSets })
  },
  services: async (client, object, context) => {
    const { namespace, name = '' } = object.metadata
    return describeService(object as Service, { ...context, slices: await slicesOf(client, namespace, name) })
  },
  serviceaccounts: async (client, object, context) => {
    const secrets = await listOf<Secret>(client, `/api/v1${scopeOf(object)}/secrets`)
    return describeServiceAccount(object as ServiceAccount, { ...context, secrets })
  },
  persistentvolumeclaims: async (client, object, context) => {
    const pods = await listOf<Pod>(client, `/api/v1${scopeOf(object)}/pods`)
    return describePersistentVolumeClaim(object as PersistentVolumeClaim, { ...context, pods })
  },
  'ingresses.networking.k8s.io': async (client, object, context) => {
    const { namespace } = object.metadata
    const resolve = async (name: string): Promise<[string, ResolvedBackend]> => {
      try {
        const service = await client.json<Service>({ path: `/api/v1${scopeOf(object)}/services/${name}` })
        return [name, { service, slices: await slicesOf(client, namespace, name) }]
      } catch (error) {
        return [name, { error: error instanceof Error ? error.message : String(error) }]
      }
    }
    const backends = new Map(await Promise.all(backendServices(object as Ingress).map(resolve)))
    return describeIngress(object as Ingress, { ...context, backends })
  },
  'certificatesigningrequests.certificates.k8s.io': async (_client, object, context) => {
    const request = object as CertificateSigningRequest
    const { parseSigningRequest } = await import('../src/pki/signing-request.ts')
    const asked = await parseSigningRequest(Buffer.from(request.spec.request, 'base64').toString('utf8'))
    return describeSigningRequest(request, { ...context, asked })
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
