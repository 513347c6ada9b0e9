import type { LimitRange, PersistentVolumeClaim, Pod } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { claimViolations, defaultContainer, podViolations } from './limit-range-rules.ts'
import { containersOf } from './pod-containers.ts'
import { isOn, type AdmissionAttributes, type AdmissionPlugin } from './plugin.ts'

/** A pod's amounts change in place only (KEP-1287). */
const isResize = ({ ref, subresource }: AdmissionAttributes): boolean =>
  ref.group === '' && ref.resource === 'pods' && subresource === 'resize'

/** Holds pods and claims to their namespace's LimitRanges, and fills in the defaults that those name. */
export function limitRanger(limitRanges: Informer<LimitRange>): AdmissionPlugin {
  const rangesFor = ({ namespace }: AdmissionAttributes): LimitRange[] =>
    limitRanges
      .list(namespace)
      .toSorted((left, right) => ((left.metadata.name ?? '') < (right.metadata.name ?? '') ? -1 : 1))

  return {
    name: 'LimitRanger',
    mutates(attributes) {
      if (!isOn(attributes, refs.pods, 'CREATE')) return
      const pod = attributes.object as Pod
      const ranges = rangesFor(attributes)
      if (ranges.length === 0) return
      for (const container of containersOf(pod)) defaultContainer(container, ranges)
    },
    validates(attributes) {
      const onPod = isOn(attributes, refs.pods, 'CREATE') || isResize(attributes)
      const onClaim = isOn(attributes, refs.persistentVolumeClaims, 'CREATE', 'UPDATE')
      if (!onPod && !onClaim) return
      const violations = rangesFor(attributes).flatMap((range) =>
        onPod
          ? podViolations(attributes.object as Pod, range)
          : claimViolations(attributes.object as PersistentVolumeClaim, range),
      )
      if (violations.length === 0) return
      const why = violations.length === 1 ? violations[0]! : `[${violations.join(', ')}]`
      throw errors.forbidden(attributes.ref, attributes.name, why)
    },
  }
}
