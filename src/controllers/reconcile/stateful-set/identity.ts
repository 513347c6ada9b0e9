import type { PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '../../../api/kinds.ts'
import { revisionLabel } from '../controller-history.ts'
import { podFromTemplate } from '../pod-state.ts'

const podNameLabel = 'statefulset.kubernetes.io/pod-name'
const podIndexLabel = 'apps.kubernetes.io/pod-index'

export const startOf = (set: StatefulSet): number => set.spec?.ordinals?.start ?? 0
export const replicasOf = (set: StatefulSet): number => set.spec?.replicas ?? 1

/** The ordinal in `web-3`, or undefined when the name is not one that this set gives. */
export function ordinalOf(set: StatefulSet, podName: string | undefined): number | undefined {
  const prefix = `${set.metadata.name}-`
  if (!podName?.startsWith(prefix)) return undefined
  const digits = podName.slice(prefix.length)
  return /^(0|[1-9]\d{0,9})$/.test(digits) ? Number(digits) : undefined
}

export const claimName = (template: PersistentVolumeClaim, set: StatefulSet, ordinal: number): string =>
  `${template.metadata.name}-${set.metadata.name}-${ordinal}`

/** The pod of one ordinal: its name, its hostname, its claims. */
export function podOf(set: StatefulSet, template: PodTemplateSpec, revision: string, ordinal: number): Pod {
  const pod = podFromTemplate(set, template)
  const name = `${set.metadata.name}-${ordinal}`
  delete pod.metadata.generateName
  pod.metadata.name = name
  pod.metadata.labels = {
    ...pod.metadata.labels,
    [podNameLabel]: name,
    [podIndexLabel]: String(ordinal),
    [revisionLabel]: revision,
  }
  const spec = pod.spec!
  spec.hostname = name
  if (set.spec?.serviceName) spec.subdomain = set.spec.serviceName
  const claims = set.spec?.volumeClaimTemplates ?? []
  const claimed = new Set(claims.map((claim) => claim.metadata.name))
  spec.volumes = [
    ...claims.map((claim) => ({
      name: claim.metadata.name!,
      persistentVolumeClaim: { claimName: claimName(claim, set, ordinal), readOnly: false },
    })),
    ...(spec.volumes ?? []).filter((volume) => !claimed.has(volume.name)),
  ]
  if (spec.volumes.length === 0) delete spec.volumes
  return pod
}

/** Labels that a pod of the set must bear; an adopted one, or one whose labels were taken off, gets them again. */
export function identityLabels(pod: Pod, ordinal: number): Record<string, string> | undefined {
  const wanted = { [podNameLabel]: pod.metadata.name!, [podIndexLabel]: String(ordinal) }
  const labels = pod.metadata.labels ?? {}
  const differs = Object.entries(wanted).some(([key, value]) => labels[key] !== value)
  return differs ? { ...labels, ...wanted } : undefined
}
