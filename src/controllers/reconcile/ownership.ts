import type { LabelSelector, OwnerReference } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { matchesLabelSelector } from '../../lib/selector.ts'
import type { Action } from '../controller.ts'

export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller)
}

export const controllerReference = (owner: KubeObject): OwnerReference => ({
  apiVersion: owner.apiVersion,
  kind: owner.kind,
  name: owner.metadata.name!,
  uid: owner.metadata.uid!,
  controller: true,
  blockOwnerDeletion: true,
})

/**
 * Sorts out whose children are whose (upstream's controller_ref_manager): what the owner controls and its selector
 * matches stays, what no longer matches is released, what matches and has no controller is adopted. Adopted ones
 * count as claimed at once. Children get `finalizer` as they are adopted, and lose it as they are released.
 */
export function claim<T extends KubeObject>(
  owner: KubeObject,
  selector: LabelSelector | undefined,
  ref: GroupResource,
  candidates: readonly T[],
  finalizer?: string,
): { claimed: T[]; actions: Action[] } {
  const claimed: T[] = []
  const actions: Action[] = []
  const hasSelector =
    selector !== undefined &&
    (Object.keys(selector.matchLabels ?? {}).length > 0 || (selector.matchExpressions ?? []).length > 0)
  for (const child of candidates) {
    const controller = controllerOf(child)
    if (controller && controller.uid !== owner.metadata.uid) continue
    const matches = hasSelector && matchesLabelSelector(selector, child.metadata.labels ?? {})
    if (controller) {
      if (matches) claimed.push(child)
      else if (!owner.metadata.deletionTimestamp)
        actions.push(
          changeOwners(
            ref,
            child,
            (owners) => owners.filter((one) => one.uid !== owner.metadata.uid),
            (finalizers) => finalizers.filter((one) => one !== finalizer),
          ),
        )
    } else if (matches && !owner.metadata.deletionTimestamp && !child.metadata.deletionTimestamp) {
      claimed.push(child)
      actions.push(
        changeOwners(
          ref,
          child,
          (owners) => (owners.some((one) => one.controller) ? owners : [...owners, controllerReference(owner)]),
          (finalizers) => (finalizer === undefined ? finalizers : [...new Set([...finalizers, finalizer])]),
        ),
      )
    }
  }
  return { claimed, actions }
}

function changeOwners(
  ref: GroupResource,
  child: KubeObject,
  changeReferences: (owners: OwnerReference[]) => OwnerReference[],
  changeFinalizers: (finalizers: string[]) => string[],
): Action {
  return {
    do: 'mutate',
    ref,
    namespace: child.metadata.namespace ?? '',
    name: child.metadata.name!,
    uid: child.metadata.uid!,
    change(current) {
      const { metadata } = current
      const owners = metadata.ownerReferences ?? []
      const next = changeReferences(owners)
      if (next === owners) return undefined
      metadata.ownerReferences = next
      const finalizers = changeFinalizers(metadata.finalizers ?? [])
      if (metadata.finalizers || finalizers.length > 0) metadata.finalizers = finalizers
      return current
    },
  }
}

/** The key of the controller of `kind`, to look at it when its child changed; also for the owner that a child had before. */
export function ownerKeys(kind: string, objects: readonly (KubeObject | undefined)[]): string[] {
  const keys = new Set<string>()
  for (const object of objects) {
    const reference = object && controllerOf(object)
    if (reference?.kind === kind) keys.add(`${object!.metadata.namespace ?? ''}/${reference.name}`)
  }
  return [...keys]
}
