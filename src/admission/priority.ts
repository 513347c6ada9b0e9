import type { Pod, PriorityClass } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { isMirrorPod } from './pod-containers.ts'
import { isOn, type AdmissionAttributes, type AdmissionPlugin } from './plugin.ts'

/** The classes that every cluster has: ensured at each start. */
export const systemPriorityClasses: readonly PriorityClass[] = [
  systemClass(
    'system-node-critical',
    2_000_001_000,
    'Used for system critical pods that must not be moved from their current node.',
  ),
  systemClass(
    'system-cluster-critical',
    2_000_000_000,
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  ),
]

function systemClass(name: string, value: number, description: string): PriorityClass {
  return {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    value,
    description,
    preemptionPolicy: 'PreemptLowerPriority',
  }
}

/** Turns a pod's class into its number, and keeps one default class a cluster. */
export function priorityAdmission(classes: Informer<PriorityClass>): AdmissionPlugin {
  function classOf(name: string): PriorityClass | undefined {
    return classes.get('', name) ?? systemPriorityClasses.find((one) => one.metadata.name === name)
  }

  /** With several defaults (two sides of a partition made one each) the lowest counts, as upstream chooses. */
  function defaultClass(): PriorityClass | undefined {
    return classes
      .list()
      .filter((one) => one.globalDefault)
      .toSorted((left, right) => (left.value ?? 0) - (right.value ?? 0))[0]
  }

  function setPriority(attributes: AdmissionAttributes): void {
    const pod = attributes.object as Pod
    if (!pod.spec || isMirrorPod(pod)) return
    const wanted = pod.spec.priorityClassName
    const found = wanted ? classOf(wanted) : defaultClass()
    if (wanted && !found) {
      throw errors.forbidden(attributes.ref, attributes.name, `no PriorityClass with name ${wanted} was found`)
    }
    const priority = found?.value ?? 0
    const preemptionPolicy = found?.preemptionPolicy ?? 'PreemptLowerPriority'
    if (pod.spec.priority !== undefined && pod.spec.priority !== null && pod.spec.priority !== priority) {
      throw errors.forbidden(
        attributes.ref,
        attributes.name,
        `the integer value of priority (${pod.spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
      )
    }
    if (pod.spec.preemptionPolicy && pod.spec.preemptionPolicy !== preemptionPolicy) {
      throw errors.forbidden(
        attributes.ref,
        attributes.name,
        `the string value of PreemptionPolicy (${pod.spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
      )
    }
    if (found && !wanted) pod.spec.priorityClassName = found.metadata.name ?? ''
    pod.spec.priority = priority
    pod.spec.preemptionPolicy = preemptionPolicy
  }

  return {
    name: 'Priority',
    mutates(attributes) {
      if (isOn(attributes, refs.pods, 'CREATE')) setPriority(attributes)
      if (isOn(attributes, refs.pods, 'UPDATE')) {
        // Set once, at creation: an update that leaves them out keeps them.
        const pod = attributes.object as Pod
        const old = attributes.oldObject as Pod
        if (pod.spec && pod.spec.priority === undefined) pod.spec.priority = old.spec?.priority
        if (pod.spec && pod.spec.preemptionPolicy === undefined) pod.spec.preemptionPolicy = old.spec?.preemptionPolicy
      }
    },
    validates(attributes) {
      if (!isOn(attributes, refs.priorityClasses, 'CREATE', 'UPDATE')) return
      const one = attributes.object as PriorityClass
      if (!one.globalDefault) return
      const other = defaultClass()
      if (!other || other.metadata.name === one.metadata.name) return
      throw errors.forbidden(
        attributes.ref,
        attributes.name,
        `PriorityClass ${other.metadata.name ?? ''} is already marked as globalDefault`,
      )
    },
  }
}
