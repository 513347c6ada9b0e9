import type { Pod, RuntimeClass } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { compareQuantity, parseQuantity } from '../lib/quantity.ts'
import { isOn, type AdmissionAttributes, type AdmissionPlugin } from './plugin.ts'

/** Carries a RuntimeClass's overhead and scheduling over to the pods that name it. */
export function runtimeClassAdmission(classes: Informer<RuntimeClass>): AdmissionPlugin {
  function classOf(attributes: AdmissionAttributes): RuntimeClass | undefined {
    const name = (attributes.object as Pod).spec?.runtimeClassName
    if (!name) return undefined
    const found = classes.get('', name)
    if (found) return found
    throw errors.forbidden(
      attributes.ref,
      attributes.name,
      `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`,
    )
  }

  return {
    name: 'RuntimeClass',
    mutates(attributes) {
      if (!isOn(attributes, refs.pods, 'CREATE')) return
      const spec = (attributes.object as Pod).spec
      const runtimeClass = classOf(attributes)
      if (!spec || !runtimeClass) return
      if (runtimeClass.overhead?.podFixed && !spec.overhead) spec.overhead = { ...runtimeClass.overhead.podFixed }
      for (const [key, value] of Object.entries(runtimeClass.scheduling?.nodeSelector ?? {})) {
        const own = spec.nodeSelector?.[key]
        if (own !== undefined && own !== value) {
          throw errors.forbidden(
            attributes.ref,
            attributes.name,
            `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
          )
        }
        spec.nodeSelector = { ...spec.nodeSelector, [key]: value }
      }
      const present = new Set((spec.tolerations ?? []).map((one) => JSON.stringify(Object.entries(one).toSorted())))
      const added = (runtimeClass.scheduling?.tolerations ?? []).filter(
        (one) => !present.has(JSON.stringify(Object.entries(one).toSorted())),
      )
      if (added.length) spec.tolerations = [...(spec.tolerations ?? []), ...structuredClone(added)]
    },
    validates(attributes) {
      if (!isOn(attributes, refs.pods, 'CREATE')) return
      const overhead = (attributes.object as Pod).spec?.overhead
      const runtimeClass = classOf(attributes)
      const refuse = (why: string): never => {
        throw errors.forbidden(attributes.ref, attributes.name, `pod rejected: ${why}`)
      }
      if (!runtimeClass) {
        if (overhead && Object.keys(overhead).length)
          refuse('Pod Overhead set without corresponding RuntimeClass defined Overhead')
        return
      }
      if (!sameAmounts(overhead ?? {}, runtimeClass.overhead?.podFixed ?? {})) {
        refuse("Pod's Overhead doesn't match RuntimeClass's defined Overhead")
      }
    },
  }
}

function sameAmounts(left: Record<string, string | number>, right: Record<string, string | number>): boolean {
  const names = Object.keys(left)
  return (
    names.length === Object.keys(right).length &&
    names.every(
      (name) =>
        right[name] !== undefined && compareQuantity(parseQuantity(left[name]!), parseQuantity(right[name])) === 0,
    )
  )
}
