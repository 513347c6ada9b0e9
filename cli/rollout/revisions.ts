import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  PodTemplateSpec,
  ReplicaSet,
  StatefulSet,
} from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { UsageError } from '../command.ts'
import { displayName, type ApiResource } from '../discovery.ts'

export type Workload = Deployment | StatefulSet | DaemonSet

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
const changeCause = 'kubernetes.io/change-cause'

/** A template that a workload had, with its number, why it was made, and the object that keeps it. */
export interface Revision {
  revision: number
  cause: string
  template: PodTemplateSpec
  keeper: KubeObject
}

/** The revisions of a workload, oldest first. Throws UsageError when there are none. */
export async function revisionsOf(client: RestClient, resource: ApiResource, owner: KubeObject): Promise<Revision[]> {
  const keepers = resource.resource === 'deployments' ? 'replicasets' : 'controllerrevisions'
  const path = `/apis/apps/v1/namespaces/${owner.metadata.namespace}/${keepers}`
  const { items } = await client.json<{ items: KubeObject[] }>({ path })
  const found = items
    .filter((one) => one.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid))
    .map((keeper): Revision => {
      const kind = keepers === 'replicasets' ? 'ReplicaSet' : 'ControllerRevision'
      const cause = keeper.metadata.annotations?.[changeCause] ?? '<none>'
      return { ...templateOf(keeper, kind), cause, keeper: { ...keeper, apiVersion: 'apps/v1', kind } }
    })
  if (found.length === 0 && resource.resource !== 'deployments')
    throw new UsageError(`no rollout history found for ${displayName(resource, owner.metadata.name ?? '')}`)
  return found.toSorted((a, b) => a.revision - b.revision)
}

function templateOf(keeper: KubeObject, kind: string): { revision: number; template: PodTemplateSpec } {
  if (kind === 'ReplicaSet') {
    const { metadata, spec } = keeper as ReplicaSet
    return { revision: Number(metadata.annotations?.[revisionAnnotation] ?? 0), template: spec?.template ?? {} }
  }
  const { revision, data } = keeper as ControllerRevision
  return {
    revision: revision ?? 0,
    template: (data as { spec?: { template?: PodTemplateSpec } } | undefined)?.spec?.template ?? {},
  }
}

/** The patch that brings a template back, and the reason for it that was noted then. */
export function rollbackPatch({ template, cause }: Revision): unknown[] {
  const clean = structuredClone(template) as { metadata?: { labels?: Record<string, string> } }
  delete clean.metadata?.labels?.['pod-template-hash']
  const annotations =
    cause === '<none>'
      ? []
      : [{ op: 'add', path: `/metadata/annotations/${changeCause.replace('/', '~1')}`, value: cause }]
  return [{ op: 'replace', path: '/spec/template', value: clean }, ...annotations]
}
