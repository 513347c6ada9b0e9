import type { ControllerRevision, LabelSelector, PodTemplateSpec } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { sortedKeys } from '../../lib/canonical-json.ts'
import type { Action, View } from '../controller.ts'
import { templateHash } from './deployment-revision.ts'
import { controllerReference } from './ownership.ts'
import { sameJson } from '../../lib/same-json.ts'
import { claimChildren, deleteAction, mutateAction } from './workload.ts'

/** Label of pods (and revisions) that says of which revision they are. */
export const revisionLabel = 'controller-revision-hash'

/** The revisions of a StatefulSet's or DaemonSet's template, and what to write about them. */
export interface History {
  /** Oldest first; with the update revision, even if it is yet to be written. */
  revisions: ControllerRevision[]
  update: ControllerRevision
  /** For the status: how often a name turned out to be taken. */
  collisionCount: number
  actions: Action[]
}

export const byRevision = (a: ControllerRevision, b: ControllerRevision): number =>
  (a.revision ?? 0) - (b.revision ?? 0) ||
  (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '') ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '')

/**
 * The patch that a revision holds: applied to the owner it brings this template back (`kubectl rollout undo`). Clients
 * find the revision of a template by comparing bytes (upstream's daemon.Match), so the keys are in order.
 */
const dataOf = (template: PodTemplateSpec): object =>
  sortedKeys({ spec: { template: { ...template, $patch: 'replace' } } })

/** The template that a revision remembers. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec | undefined {
  const data = revision.data as { spec?: { template?: PodTemplateSpec & { $patch?: string } } } | undefined
  if (!data?.spec?.template) return undefined
  const { $patch: _, ...template } = data.spec.template
  return template
}

/** Names that other data has taken, tried in one go; the next go tries on from there. */
const maxCollisions = 10

/**
 * Finds or makes the revision of the present template, among those that `owner` has or adopts. A template that was there
 * before takes its old revision back, as the newest. Names come from the template alone, so two leaders make the same one.
 */
export function historyOf(
  view: View,
  owner: KubeObject,
  template: PodTemplateSpec,
  options: { selector: LabelSelector; labels?: Record<string, string>; collisionCount?: number; hashLabel: string },
): History {
  const { claimed, actions } = claimChildren<ControllerRevision>(
    view,
    refs.controllerRevisions,
    owner,
    options.selector,
  )
  const revisions = claimed.toSorted(byRevision)
  const newest = revisions.at(-1)
  const data = dataOf(template)
  const { collisionCount = 0 } = options
  const same = revisions.findLast((one) => sameJson(one.data, data))
  if (same && same === newest) return { revisions, update: same, collisionCount, actions }
  const revision = (newest?.revision ?? 0) + 1
  if (same) {
    const update = { ...same, revision }
    actions.push(mutateAction(refs.controllerRevisions, same, (current) => ({ ...current, revision })))
    return { revisions: [...revisions.filter((one) => one !== same), update], update, collisionCount, actions }
  }
  const { namespace } = owner.metadata
  const isTaken = (name: string): boolean => {
    const other = view.get<ControllerRevision>(refs.controllerRevisions, namespace ?? '', name)
    return other !== undefined && !sameJson(other.data, data)
  }
  let collisions = collisionCount
  const nameOf = (): string => `${owner.metadata.name}-${templateHash(template, collisions)}`
  while (collisions < collisionCount + maxCollisions && isTaken(nameOf())) collisions++
  const hash = templateHash(template, collisions)
  const update: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: nameOf(),
      namespace,
      labels: { ...options.labels, ...template.metadata?.labels, [options.hashLabel]: hash },
      annotations: changeCause(owner),
      ownerReferences: [controllerReference(owner)],
    },
    data: data as ControllerRevision['data'],
    revision,
  }
  if (!owner.metadata.deletionTimestamp) actions.push({ do: 'create', ref: refs.controllerRevisions, object: update })
  return { revisions: [...revisions, update], update, collisionCount: collisions, actions }
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
