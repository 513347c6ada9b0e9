import type { OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { type Action, referenceTo, type View } from '../../controller.ts'
import { sameJson } from '../../../lib/same-json.ts'
import { eventAction, mutateAction } from '../workload.ts'
import { claimName } from './identity.ts'

/** The claims of one ordinal that are missing. */
export function missingClaims(set: StatefulSet, ordinal: number, view: View): Action[] {
  const namespace = set.metadata.namespace ?? ''
  return (set.spec?.volumeClaimTemplates ?? []).flatMap((template): Action[] => {
    const name = claimName(template, set, ordinal)
    if (view.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, namespace, name)) return []
    const claim: PersistentVolumeClaim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        ...template.metadata,
        name,
        namespace,
        labels: { ...template.metadata.labels, ...set.spec?.selector.matchLabels },
        ...withOwners(wantedOwners(set, undefined)),
      },
      spec: structuredClone(template.spec),
    }
    const about = referenceTo(set)
    const pod = `${set.metadata.name}-${ordinal}`
    return [
      {
        do: 'create',
        ref: refs.persistentVolumeClaims,
        object: claim,
        created: () =>
          eventAction(
            about,
            'Normal',
            'SuccessfulCreate',
            `create Claim ${name} Pod ${pod} in StatefulSet ${set.metadata.name} success`,
          ),
        failed: (message) =>
          eventAction(
            about,
            'Warning',
            'FailedCreate',
            `create Claim ${name} for Pod ${pod} in StatefulSet ${set.metadata.name} failed error: ${message}`,
          ),
      },
    ]
  })
}

/** True while a claim of the ordinal is on its way out: a pod that took it up now would hang. */
export const hasTerminatingClaim = (set: StatefulSet, ordinal: number, view: View): boolean =>
  (set.spec?.volumeClaimTemplates ?? []).some(
    (template) =>
      view.get<PersistentVolumeClaim>(
        refs.persistentVolumeClaims,
        set.metadata.namespace ?? '',
        claimName(template, set, ordinal),
      )?.metadata.deletionTimestamp,
  )

/**
 * Owner references by the retention policy (KEP-1847): claims that go with the set are owned by it, those of a pod that is
 * scaled away by that pod. References that are not ours are left alone.
 */
export function retentionActions(
  set: StatefulSet,
  ordinal: number,
  condemned: Pod | undefined,
  pod: Pod | undefined,
  view: View,
): Action[] {
  return (set.spec?.volumeClaimTemplates ?? []).flatMap((template): Action[] => {
    const name = claimName(template, set, ordinal)
    const claim = view.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, set.metadata.namespace ?? '', name)
    if (!claim || claim.metadata.deletionTimestamp) return []
    const ours = (owner: OwnerReference): boolean =>
      owner.uid === set.metadata.uid || (owner.kind === 'Pod' && owner.name === `${set.metadata.name}-${ordinal}`)
    const next = (owners: readonly OwnerReference[] = []): OwnerReference[] => [
      ...owners.filter((owner) => !ours(owner)),
      ...wantedOwners(set, condemned),
    ]
    // A pod of the name that is not known here keeps its claim: the view may be behind.
    if (!pod && !condemned) return []
    if (sameJson(next(claim.metadata.ownerReferences), claim.metadata.ownerReferences ?? [])) return []
    return [
      mutateAction(refs.persistentVolumeClaims, claim, (current) => {
        current.metadata.ownerReferences = next(current.metadata.ownerReferences)
        return current
      }),
    ]
  })
}

function wantedOwners(set: StatefulSet, condemned: Pod | undefined): OwnerReference[] {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {}
  if (condemned && whenScaled === 'Delete')
    return [{ apiVersion: 'v1', kind: 'Pod', name: condemned.metadata.name!, uid: condemned.metadata.uid! }]
  return whenDeleted === 'Delete'
    ? [{ apiVersion: set.apiVersion, kind: set.kind, name: set.metadata.name!, uid: set.metadata.uid! }]
    : []
}

const withOwners = (owners: OwnerReference[]): { ownerReferences?: OwnerReference[] } =>
  owners.length > 0 ? { ownerReferences: owners } : {}
