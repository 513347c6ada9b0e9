import type { ControllerRevision, PodTemplateSpec } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import type { Action, View } from '../controller.ts'
import { templateHash } from './deployment-revision.ts'
import { controllerReference } from './ownership.ts'
import { sameJson } from './same-json.ts'
import { byController, deleteAction, mutateAction } from './workload.ts'

/** Label of pods (and revisions) that says of which revision they are. */
export const revisionLabel = 'controller-revision-hash'

/** The revisions of a StatefulSet's or DaemonSet's template, and what to write about them. */
export interface History {
  /** Oldest first; with the update revision, even if it is yet to be written. */
  revisions: ControllerRevision[]
  update: ControllerRevision
  actions: Action[]
}

export const byRevision = (a: ControllerRevision, b: ControllerRevision): number =>
  (a.revision ?? 0) - (b.revision ?? 0) ||
  (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '') ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '')

/** The patch that a revision holds: applied to the owner it brings this template back (`kubectl rollout undo`). */
const dataOf = (template: PodTemplateSpec): object => ({ spec: { template: { ...template, $patch: 'replace' } } })

/** The template that a revision remembers. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec | undefined {
  const data = revision.data as { spec?: { template?: PodTemplateSpec & { $patch?: string } } } | undefined
  if (!data?.spec?.template) return undefined
  const { $patch: _, ...template } = data.spec.template
  return template
}

/**
 * Finds or makes the revision of the present template. A template that was there before takes its old revision back,
 * as the newest. Names come from the template alone, so two leaders make the same one.
 */
export function historyOf(
  view: View,
  owner: KubeObject,
  template: PodTemplateSpec,
  options: { labels?: Record<string, string>; collisionCount?: number; hashLabel: string },
): History {
  const revisions = view
    .indexed<ControllerRevision>(refs.controllerRevisions, byController, owner.metadata.uid ?? '')
    .toSorted(byRevision)
  const newest = revisions.at(-1)
  const data = dataOf(template)
  const same = revisions.findLast((one) => sameJson(one.data, data))
  if (same && same === newest) return { revisions, update: same, actions: [] }
  const revision = (newest?.revision ?? 0) + 1
  if (same) {
    const update = { ...same, revision }
    const change = mutateAction(refs.controllerRevisions, same, (current) => ({ ...current, revision }))
    return { revisions: [...revisions.filter((one) => one !== same), update], update, actions: [change] }
  }
  const hash = templateHash(template, options.collisionCount ?? 0)
  const update: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${owner.metadata.name}-${hash}`,
      namespace: owner.metadata.namespace,
      labels: { ...options.labels, ...template.metadata?.labels, [options.hashLabel]: hash },
      annotations: changeCause(owner),
      ownerReferences: [controllerReference(owner)],
    },
    data: data as ControllerRevision['data'],
    revision,
  }
  return {
    revisions: [...revisions, update],
    update,
    actions: [{ do: 'create', ref: refs.controllerRevisions, object: update }],
  }
}

function changeCause(owner: KubeObject): Record<string, string> {
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...annotations } = owner.metadata.annotations ?? {}
  return annotations
}

/** Revisions that nothing uses, beyond `limit`, oldest first. `live` are names (or hashes) in use. */
export function truncateHistory(
  ref: GroupResource,
  revisions: readonly ControllerRevision[],
  live: ReadonlySet<string>,
  limit: number,
): Action[] {
  const unused = revisions.filter((one) => one.metadata.uid && !live.has(one.metadata.name!))
  return unused.slice(0, Math.max(0, unused.length - limit)).map((one) => deleteAction(ref, one))
}
