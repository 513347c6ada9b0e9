import { isDeepStrictEqual } from 'node:util'
import type { Pod, ResourceRequirements } from '../../api/kinds.ts'
import { labelKeys } from '../../runtime/container-names.ts'
import type { Resources, RuntimeContainer } from '../../runtime/runtime.ts'
import { containersOf, statusOf, type AnyContainer, type ResizeRefusal, type ResizeState } from '../core/pod-view.ts'
import { containerResources, needsRestart } from '../core/quality.ts'
import { askedFor, resizeText, withAllocation, type Allocation } from '../core/resize.ts'
import { say, type PodContext } from './pod-context.ts'

/** What one pod's containers may use: as granted by the node, and as in force (KEP-1287). */
export interface Resizer extends ResizeState {
  /**
   * The pod as the node grants it: as its object asks for it where there is room, else as before. Before the node has
   * taken the pod there is no before.
   */
  allocate(pod: Pod, isTaken: boolean): Pod
  /**
   * Brings running containers to what is granted. Throws what the runtime says when it cannot be done now, such as a
   * limit below what is in use.
   */
  actuate(pod: Pod, observed: readonly RuntimeContainer[]): Promise<void>
  /** By container id: what it was last brought to. */
  readonly inForce: ReadonlyMap<string, ResourceRequirements>
}

export function createResizer(
  context: PodContext,
  refusalOf: (pod: Pod, granted: Pod) => ResizeRefusal | undefined,
): Resizer {
  const { runtime } = context.options
  let allocation: Allocation | undefined
  let refusal: ResizeRefusal | undefined
  let inProgress: string | undefined
  /** By container id: the kernel's values that were applied last; before that, those it was created with. */
  const applied = new Map<string, Resources>()
  const inForce = new Map<string, ResourceRequirements>()

  const current = (instance: RuntimeContainer): Resources | undefined => {
    const created = instance.labels[labelKeys.resources]
    return applied.get(instance.id) ?? (created === undefined ? undefined : (JSON.parse(created) as Resources))
  }

  function refuse(pod: Pod, why: ResizeRefusal): void {
    if (isDeepStrictEqual(refusal, why)) return
    refusal = why
    const message = `Pod resize ${why.reason}: ${resizeText(pod, why.message)}`
    say(context, pod, 'Warning', `Resize${why.reason}`, message)
  }

  /** False while it is not in force. */
  async function actuateOne(pod: Pod, container: AnyContainer, instance: RuntimeContainer): Promise<boolean> {
    const wanted = containerResources(container, pod.spec ?? { containers: [] })
    const has = current(instance)
    if (has !== undefined && !isDeepStrictEqual(has, wanted)) {
      const reported = statusOf(pod, container.name)
      if (!inForce.has(instance.id) && reported?.resources) inForce.set(instance.id, reported.resources)
      // What the policy says must restart is ended by the decision about the container.
      if (needsRestart(container.resizePolicy, has, wanted)) return false
      await checkMemory(instance, has, wanted)
      await runtime.updateResources(instance.id, wanted)
      applied.set(instance.id, wanted)
    }
    inForce.set(instance.id, container.resources ?? {})
    return true
  }

  /** The kernel would end the container rather than refuse a limit that it has passed already. */
  async function checkMemory({ id }: RuntimeContainer, has: Resources, wanted: Resources): Promise<void> {
    if (!wanted.memoryBytes || (has.memoryBytes !== undefined && wanted.memoryBytes >= has.memoryBytes)) return
    const { memoryUsageBytes } = await runtime.stats(id)
    if (memoryUsageBytes < wanted.memoryBytes) return
    throw new Error(
      `attempting to set container memory limit (${wanted.memoryBytes}) below current usage (${memoryUsageBytes})`,
    )
  }

  return {
    get refusal() {
      return refusal
    },
    get inProgress() {
      return inProgress
    },
    inForce,

    allocate(pod, isTaken) {
      const asked = askedFor(pod)
      if (allocation === undefined || !isTaken) {
        allocation = new Map([...asked].map(([name, wish]) => [name, statusOf(pod, name)?.resources ?? wish]))
      }
      const granted = withAllocation(pod, allocation)
      if (isDeepStrictEqual(askedFor(granted), asked)) {
        refusal = undefined
        return granted
      }
      if (!isTaken) return granted
      const why = refusalOf(pod, granted)
      if (why !== undefined) {
        refuse(pod, why)
        return granted
      }
      allocation = asked
      refusal = undefined
      inProgress = ''
      say(context, pod, 'Normal', 'ResizeStarted', `Pod resize started: ${resizeText(pod)}`)
      return pod
    },

    async actuate(pod, observed) {
      let complete = true
      for (const id of applied.keys()) if (!observed.some((one) => one.id === id)) applied.delete(id)
      for (const id of inForce.keys()) if (!observed.some((one) => one.id === id)) inForce.delete(id)
      for (const { container, kind } of containersOf(pod.spec ?? { containers: [] })) {
        const instance = observed.find((one) => one.name === container.name && one.state === 'running')
        if (kind === 'ephemeral' || instance === undefined) continue
        try {
          complete = (await actuateOne(pod, container, instance)) && complete
        } catch (error) {
          const { message } = error as Error
          // Once for what is granted: how much is in use differs from try to try.
          if (!inProgress) {
            say(context, pod, 'Warning', 'ResizeError', `Pod resize error: ${resizeText(pod, message)}`, container.name)
          }
          inProgress = message
          throw error
        }
      }
      if (complete && inProgress !== undefined) {
        inProgress = undefined
        say(context, pod, 'Normal', 'ResizeCompleted', `Pod resize completed: ${resizeText(pod)}`)
      } else if (!complete) inProgress = ''
    },
  }
}
