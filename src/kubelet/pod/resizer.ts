import { isDeepStrictEqual } from 'node:util'
import type { Pod } from '../../api/kinds.ts'
import { labelKeys } from '../../runtime/container-names.ts'
import type { Resources, RuntimeContainer } from '../../runtime/runtime.ts'
import { containersOf } from '../core/pod-view.ts'
import { containerResources, needsRestart } from '../core/quality.ts'
import { say, type PodContext } from './pod-context.ts'

/** Brings running containers to the limits that their spec has now (KEP-1287). */
export interface Resizer {
  /** Throws what the runtime says when it cannot be done now, such as a limit below what is in use. */
  sync(pod: Pod, observed: readonly RuntimeContainer[]): Promise<void>
}

export function createResizer(context: PodContext): Resizer {
  /** By container id: what was applied last; before that, what it was created with. */
  const applied = new Map<string, Resources>()

  const current = (instance: RuntimeContainer): Resources | undefined => {
    const created = instance.labels[labelKeys.resources]
    return applied.get(instance.id) ?? (created === undefined ? undefined : (JSON.parse(created) as Resources))
  }

  return {
    async sync(pod, observed) {
      for (const { container, kind } of containersOf(pod.spec ?? { containers: [] })) {
        if (kind !== 'app' && kind !== 'sidecar') continue
        const instance = observed.find((one) => one.name === container.name && one.state === 'running')
        if (instance === undefined) continue
        const wanted = containerResources(container)
        const has = current(instance)
        if (has === undefined || isDeepStrictEqual(has, wanted)) continue
        // What the policy says must restart is ended by the decision about the container.
        if (needsRestart(container.resizePolicy, has, wanted)) continue
        try {
          await context.options.runtime.updateResources(instance.id, wanted)
          applied.set(instance.id, wanted)
          say(context, pod, 'Normal', 'ResizeCompleted', `Pod resize completed: ${container.name}`, container.name)
        } catch (error) {
          const message = `Pod resize failed: ${(error as Error).message}`
          say(context, pod, 'Warning', 'ResizeError', message, container.name)
          throw error
        }
      }
      for (const id of applied.keys()) if (!observed.some((one) => one.id === id)) applied.delete(id)
    },
  }
}
