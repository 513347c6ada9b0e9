import type { GroupResource, KubeObject } from '../api/object.ts'

export interface CallOptions {
  subresource?: string
  signal?: AbortSignal
  fieldManager?: string
  dryRun?: boolean
}

export interface ListOptions extends CallOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
}

export interface DeleteOptions extends CallOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  /** A precondition makes it a decided write (architecture §4). */
  preconditions?: { uid?: string; resourceVersion?: string }
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

/**
 * The API with a caller's identity: in-process (controllers, kubelet) or over HTTPS (CLI). Both go through the same
 * pipeline (authz, defaulting, admission, validation). `ref.version` is implied: the preferred one.
 * All methods throw StatusError.
 */
export interface Client {
  get<T extends KubeObject>(ref: GroupResource, namespace: string, name: string, options?: CallOptions): Promise<T>
  list<T extends KubeObject>(
    ref: GroupResource,
    options?: ListOptions,
  ): Promise<{ items: T[]; resourceVersion: string }>
  /** With `subresource` (binding, eviction, token) the object's metadata names the parent. */
  create<T extends KubeObject>(ref: GroupResource, object: T, options?: CallOptions): Promise<T>
  /** PUT. A `metadata.resourceVersion` in the object is a precondition: decided, 409 on mismatch, 503 without a leader. */
  update<T extends KubeObject>(ref: GroupResource, object: T, options?: CallOptions): Promise<T>
  /**
   * Read-modify-write WITHOUT a precondition: `change` gets a copy of the current object, alters and returns it, or
   * returns undefined to leave it. Only the fields that differ are written (declared write: works without a leader).
   * This is what controllers and kubelets use for status. Returns the stored object.
   */
  mutate<T extends KubeObject>(
    ref: GroupResource,
    namespace: string,
    name: string,
    change: (current: T) => T | undefined,
    options?: CallOptions,
  ): Promise<T>
  patch<T extends KubeObject>(
    ref: GroupResource,
    namespace: string,
    name: string,
    type: PatchType,
    patch: unknown,
    options?: CallOptions & { force?: boolean },
  ): Promise<T>
  delete(ref: GroupResource, namespace: string, name: string, options?: DeleteOptions): Promise<void>
}

/** The refs that our own components use. */
export const refs = {
  pods: { group: '', resource: 'pods' },
  nodes: { group: '', resource: 'nodes' },
  services: { group: '', resource: 'services' },
  endpoints: { group: '', resource: 'endpoints' },
  namespaces: { group: '', resource: 'namespaces' },
  configMaps: { group: '', resource: 'configmaps' },
  secrets: { group: '', resource: 'secrets' },
  serviceAccounts: { group: '', resource: 'serviceaccounts' },
  events: { group: '', resource: 'events' },
  persistentVolumes: { group: '', resource: 'persistentvolumes' },
  persistentVolumeClaims: { group: '', resource: 'persistentvolumeclaims' },
  resourceQuotas: { group: '', resource: 'resourcequotas' },
  limitRanges: { group: '', resource: 'limitranges' },
  replicationControllers: { group: '', resource: 'replicationcontrollers' },
  deployments: { group: 'apps', resource: 'deployments' },
  replicaSets: { group: 'apps', resource: 'replicasets' },
  statefulSets: { group: 'apps', resource: 'statefulsets' },
  daemonSets: { group: 'apps', resource: 'daemonsets' },
  controllerRevisions: { group: 'apps', resource: 'controllerrevisions' },
  jobs: { group: 'batch', resource: 'jobs' },
  cronJobs: { group: 'batch', resource: 'cronjobs' },
  leases: { group: 'coordination.k8s.io', resource: 'leases' },
  endpointSlices: { group: 'discovery.k8s.io', resource: 'endpointslices' },
  ingresses: { group: 'networking.k8s.io', resource: 'ingresses' },
  ingressClasses: { group: 'networking.k8s.io', resource: 'ingressclasses' },
  serviceCidrs: { group: 'networking.k8s.io', resource: 'servicecidrs' },
  ipAddresses: { group: 'networking.k8s.io', resource: 'ipaddresses' },
  networkPolicies: { group: 'networking.k8s.io', resource: 'networkpolicies' },
  podDisruptionBudgets: { group: 'policy', resource: 'poddisruptionbudgets' },
  priorityClasses: { group: 'scheduling.k8s.io', resource: 'priorityclasses' },
  storageClasses: { group: 'storage.k8s.io', resource: 'storageclasses' },
  csiDrivers: { group: 'storage.k8s.io', resource: 'csidrivers' },
  csiNodes: { group: 'storage.k8s.io', resource: 'csinodes' },
  volumeAttachments: { group: 'storage.k8s.io', resource: 'volumeattachments' },
  horizontalPodAutoscalers: { group: 'autoscaling', resource: 'horizontalpodautoscalers' },
  runtimeClasses: { group: 'node.k8s.io', resource: 'runtimeclasses' },
  customResourceDefinitions: { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' },
} as const satisfies Record<string, GroupResource>
