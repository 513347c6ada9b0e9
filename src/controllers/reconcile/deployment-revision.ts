import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../api/kinds.ts'
import { sortedKeys } from '../../lib/canonical-json.ts'
import { controllerReference } from './ownership.ts'
import { sameJson } from '../../lib/same-json.ts'

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history'
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas'
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas'
const hashLabel = 'pod-template-hash'

/** An int64, which a JavaScript number does not hold. 0 when there is none. */
export function revisionOf(set: ReplicaSet): bigint {
  const text = set.metadata.annotations?.[revisionAnnotation] ?? ''
  return /^-?\d{1,19}$/.test(text) ? BigInt.asIntN(64, BigInt(text)) : 0n
}

export const highestRevision = (sets: readonly ReplicaSet[]): bigint =>
  sets.reduce((highest, set) => (revisionOf(set) > highest ? revisionOf(set) : highest), 0n)

/** The template as the Deployment has it: without the label that tells its ReplicaSets apart. */
function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { [hashLabel]: _, ...labels } = template.metadata?.labels ?? {}
  return { ...template, metadata: { ...template.metadata, labels } }
}

const sameTemplate = (a: PodTemplateSpec, b: PodTemplateSpec): boolean =>
  sameJson(normal(withoutHash(a)), normal(withoutHash(b)))

/** Empty label and annotation maps are the same as none. */
function normal(template: PodTemplateSpec): unknown {
  const { labels, annotations, creationTimestamp: _, ...metadata } = template.metadata ?? {}
  const filled = (map: Record<string, string> | undefined) => (map && Object.keys(map).length > 0 ? map : undefined)
  return { ...template, metadata: { ...metadata, labels: filled(labels), annotations: filled(annotations) } }
}

export const byAge = (a: ReplicaSet, b: ReplicaSet): number =>
  (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '') ||
  (a.metadata.name ?? '').localeCompare(b.metadata.name ?? '')

/** The ReplicaSet whose template is the Deployment's; the oldest, should two sides of a partition have made one each. */
export function findNewReplicaSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const { template } = deployment.spec!
  return sets.filter((set) => set.spec?.template && sameTemplate(set.spec.template, template)).toSorted(byAge)[0]
}

/** Annotations of a Deployment that its ReplicaSets do not inherit. */
const notInherited = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
])

export function inheritedAnnotations(deployment: Deployment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => !notInherited.has(name)),
  )
}

/**
 * The ReplicaSet of the Deployment's present template. Its name comes from the template alone, so whoever makes it,
 * on either side of a partition, makes the same one.
 */
export function newReplicaSet(
  deployment: Deployment,
  replicas: number,
  revision: bigint,
  maxReplicas: number,
): ReplicaSet {
  const { template, selector, minReadySeconds } = deployment.spec!
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0)
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      annotations: {
        ...inheritedAnnotations(deployment),
        [revisionAnnotation]: String(revision),
        [desiredReplicasAnnotation]: String(deployment.spec?.replicas ?? 1),
        [maxReplicasAnnotation]: String(maxReplicas),
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: {
        ...template,
        metadata: { ...template.metadata, labels: { ...template.metadata?.labels, [hashLabel]: hash } },
      },
    },
  }
}

/** Letters and digits that make no words (k8s.io/apimachinery rand.SafeEncodeString). */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** FNV-1a of the template's canonical JSON, in the form that Kubernetes' template hashes have. */
export function templateHash(template: PodTemplateSpec, collisionCount: number): string {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(`${JSON.stringify(sortedKeys(normal(withoutHash(template))))}#${collisionCount}`))
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return [...String(hash)].map((digit) => alphabet[digit.charCodeAt(0) % alphabet.length]).join('')
}
