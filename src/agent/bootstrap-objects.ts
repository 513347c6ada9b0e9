import { isDeepStrictEqual } from 'node:util'
import { ingressClassName, ingressController } from '../api/ingress-class.ts'
import type {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  FlowSchema,
  IngressClass,
  Namespace,
  PriorityClass,
  PriorityLevelConfiguration,
  Service,
  ServiceCIDR,
  StorageClass,
} from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { isStatus } from '../api/status-error.ts'
import { autoUpdateAnnotation, defaultFlowSchemas, defaultPriorityLevels } from '../apiserver/flowcontrol/defaults.ts'
import { bootstrapClusterRoleBindings, bootstrapClusterRoles } from '../auth/policy/bootstrap-policy.ts'
import { reconciledBinding, reconciledRole } from '../auth/policy/reconcile.ts'
import { type Client, refs } from '../client/client.ts'
import { clusterInfoAccess } from './cluster-info.ts'
import { extensionAuthentication, type ClientAuthorities } from './extension-authentication.ts'
import { type ClusterConfig, dnsAddresses } from './membership-file.ts'

const flowSchemas = { group: 'flowcontrol.apiserver.k8s.io', resource: 'flowschemas' }
const priorityLevels = { group: 'flowcontrol.apiserver.k8s.io', resource: 'prioritylevelconfigurations' }
const clusterRoles = { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }
const { serviceCidrs } = refs
const clusterRoleBindings = { group: 'rbac.authorization.k8s.io', resource: 'clusterrolebindings' }

/** The namespaces that every cluster has. */
const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** What every cluster has, made and mended by the leader at the start of its term. */
export async function ensureBootstrapObjects(
  client: Client,
  { config, ...authorities }: { config: ClusterConfig } & ClientAuthorities,
  signal: AbortSignal,
): Promise<void> {
  for (const name of namespaces) {
    const namespace: Namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
    }
    await ensure(client, refs.namespaces, namespace, signal)
  }
  await ensure(client, refs.services, kubernetesService(config), signal)
  await ensure(client, refs.services, dnsService(config), signal)
  await ensureServiceCidr(client, config, signal)
  for (const role of bootstrapClusterRoles)
    await ensure(client, clusterRoles, role, signal, (stored) => reconciledRole(stored as ClusterRole, role))
  for (const binding of bootstrapClusterRoleBindings) {
    await ensure(client, clusterRoleBindings, binding, signal, (stored) =>
      reconciledBinding(stored as ClusterRoleBinding, binding),
    )
  }
  await ensure(client, refs.storageClasses, localPathClass, signal)
  for (const priorityClass of priorityClasses) await ensure(client, refs.priorityClasses, priorityClass, signal)
  await ensure(client, refs.ingressClasses, ingressClass, signal)
  for (const level of defaultPriorityLevels) await ensure(client, priorityLevels, level, signal, restored(level))
  for (const schema of defaultFlowSchemas) await ensure(client, flowSchemas, schema, signal, restored(schema))
  for (const object of clusterInfoAccess()) await ensure(client, extensionRefs[object.kind]!, object, signal)
  for (const object of extensionAuthentication(authorities)) {
    await ensure(client, extensionRefs[object.kind]!, object, signal, (stored) =>
      'data' in object && !isDeepStrictEqual(object.data, (stored as ConfigMap).data)
        ? ({ ...stored, data: object.data } as ConfigMap)
        : undefined,
    )
  }
}

/** Brings back the spec of an object that carries the annotation which says that the cluster keeps it. */
const restored =
  <T extends FlowSchema | PriorityLevelConfiguration>(wanted: T) =>
  (stored: KubeObject): KubeObject | undefined => {
    const { spec, metadata } = stored as T
    const isKept = metadata.annotations?.[autoUpdateAnnotation] === 'true'
    return isKept && !isDeepStrictEqual(spec, wanted.spec)
      ? ({ ...stored, spec: wanted.spec } as KubeObject)
      : undefined
  }

const extensionRefs: Readonly<Record<string, GroupResource>> = {
  ConfigMap: refs.configMaps,
  Role: { group: 'rbac.authorization.k8s.io', resource: 'roles' },
  RoleBinding: { group: 'rbac.authorization.k8s.io', resource: 'rolebindings' },
}

/** Ingresses that name no class are ours, until another class is made the default one. */
const ingressClass: IngressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: ingressClassName, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
  spec: { controller: ingressController },
}

/** The default class: a directory of the node on which the claim's first pod runs. */
const localPathClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local-path', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'stormo.dev/local-path',
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
}

/** The range of cluster IPs under the name that upstream gives it; it is fixed when the cluster is made. */
async function ensureServiceCidr(client: Client, config: ClusterConfig, signal: AbortSignal): Promise<void> {
  const name = 'kubernetes'
  const object: ServiceCIDR = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name },
    spec: { cidrs: [config.serviceCidr, ...(config.ipv6 ? [config.ipv6.serviceCidr] : [])] },
  }
  await ensure(client, serviceCidrs, object, signal)
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: '',
    message: 'Kubernetes default Service CIDR is ready',
    lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
  }
  await client.mutate<ServiceCIDR>(
    serviceCidrs,
    '',
    name,
    (stored) => (stored.status?.conditions?.length ? undefined : { ...stored, status: { conditions: [ready] } }),
    { subresource: 'status', signal, fieldManager: 'stormo' },
  )
}

/** Creates what is not there; `mend` may return a better state of what is. */
async function ensure(
  client: Client,
  ref: GroupResource,
  object: KubeObject,
  signal: AbortSignal,
  mend?: (stored: KubeObject) => KubeObject | undefined,
): Promise<void> {
  const { namespace = '', name = '' } = object.metadata
  const options = { signal, fieldManager: 'stormo' }
  const stored = await client.get(ref, namespace, name, options).catch((error: unknown) => {
    if (isStatus(error, 'NotFound')) return undefined
    throw error
  })
  if (stored) {
    if (mend?.(stored)) await client.mutate(ref, namespace, name, mend, options)
    return
  }
  try {
    await client.create(ref, object, options)
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error
  }
}

const priorityClasses: readonly PriorityClass[] = [
  {
    name: 'system-cluster-critical',
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
  {
    name: 'system-node-critical',
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
].map(({ name, value, description }) => ({
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name },
  value,
  description,
}))

/** The API inside the cluster; each node's proxy sends it to the node's own API server first. */
function kubernetesService(config: ClusterConfig): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: config.kubernetesIp,
      clusterIPs: [config.kubernetesIp],
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
    },
  }
}

/** DNS inside the cluster; each node answers its own pods. */
function dnsService(config: ClusterConfig): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/name': 'CoreDNS' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: config.dnsIp,
      clusterIPs: dnsAddresses(config),
      ipFamilyPolicy: 'PreferDualStack',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
      ],
    },
  }
}
