import type { KubeObject } from '../src/api/object.ts'
import { isStatus } from '../src/api/status-error.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { type Invocation, option } from './command.ts'
import { type ApiResource, discover, displayName, pathOf } from './discovery.ts'
import { listAll } from './list-all.ts'
import type { PreparedManifest } from './write-manifests.ts'
import { dryRunOf, dryRunSuffix } from './write-options.ts'

/** Kinds that are pruned when none are named, as kubectl has them. */
const defaultKinds = [
  'core/v1/ConfigMap',
  'core/v1/Endpoints',
  'core/v1/Namespace',
  'core/v1/PersistentVolumeClaim',
  'core/v1/PersistentVolume',
  'core/v1/Pod',
  'core/v1/ReplicationController',
  'core/v1/Secret',
  'core/v1/Service',
  'batch/v1/Job',
  'batch/v1/CronJob',
  'networking.k8s.io/v1/Ingress',
  'apps/v1/DaemonSet',
  'apps/v1/Deployment',
  'apps/v1/ReplicaSet',
  'apps/v1/StatefulSet',
]

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/** Deletes the objects that were applied before, match the selector and are not among those just written. */
export async function prune(
  invocation: Invocation,
  client: RestClient,
  written: readonly PreparedManifest[],
): Promise<void> {
  const asked = option.list(invocation, 'pruneAllowlist')
  const kinds = new Set(asked.length > 0 ? asked : defaultKinds)
  const resources = (await discover(client)).filter((one) =>
    kinds.has(`${one.group || 'core'}/${one.version}/${one.kind}`),
  )
  const keep = new Set(written.map(({ resource, namespace, object }) => keyOf(resource, namespace, object)))
  const namespaces = new Set(written.filter(({ resource }) => resource.namespaced).map(({ namespace }) => namespace))
  const labelSelector = option.text(invocation, 'selector')
  const manager = option.text(invocation, 'fieldManager') ?? 'stormo'
  for (const resource of resources) {
    for (const namespace of resource.namespaced ? namespaces : [undefined]) {
      const target = { resource, name: undefined }
      const objects = await listAll(client, pathOf(resource, namespace), { labelSelector }, target)
      for (const object of objects) {
        if (keep.has(keyOf(resource, namespace, object)) || !wasApplied(object, manager)) continue
        await pruneOne(invocation, client, resource, object)
      }
    }
  }
}

const keyOf = (resource: ApiResource, namespace: string | undefined, object: KubeObject): string =>
  `${resource.resource}.${resource.group}/${resource.namespaced ? namespace : ''}/${object.metadata.name}`

const wasApplied = ({ metadata }: KubeObject, manager: string): boolean =>
  metadata.annotations?.[lastApplied] !== undefined ||
  (metadata.managedFields?.some((one) => one.manager === manager && one.operation === 'Apply') ?? false)

async function pruneOne(
  invocation: Invocation,
  client: RestClient,
  resource: ApiResource,
  object: KubeObject,
): Promise<void> {
  const how = dryRunOf(invocation)
  if (how !== 'client')
    await client
      .send({
        method: 'DELETE',
        path: pathOf(resource, object.metadata.namespace, object.metadata.name),
        query: { dryRun: how === 'server' ? 'All' : undefined },
        body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' },
      })
      .catch((error: unknown) => {
        if (!isStatus(error, 'NotFound')) throw error
      })
  invocation.io.out(`${displayName(resource, object.metadata.name ?? '')} pruned${dryRunSuffix(how)}\n`)
}
