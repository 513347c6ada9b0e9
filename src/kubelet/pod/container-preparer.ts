import type { Pod } from '../../api/kinds.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import { containersOf, type AnyContainer } from '../core/pod-view.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { createContainer, imageWanted, type CreateAction } from './container-creator.ts'
import type { PodContext } from './pod-context.ts'

/** Containers that were created while their sandbox started, by name. */
export interface Prepared {
  /** The id of that instance, once: whoever takes it starts it. */
  take(name: string, attempt: number, sandboxId: string): Promise<string | undefined>
  /** Nothing is being created any more. */
  settled(): Promise<void>
  /** Creates what will be started first in this sandbox. */
  prepare(pod: Pod, sandbox: CreateAction['sandbox'], mounted: ReadonlyMap<string, MountedVolume>): void
}

interface PreparedContainer {
  readonly attempt: number
  readonly sandboxId: string
  readonly id: Promise<string | undefined>
}

/**
 * Creating needs no more than the sandbox's id, so that it costs nothing when it is done while the sandbox starts. What
 * goes wrong here is left to the ordinary start, which finds the same and reports it.
 */
export function createPreparer(context: PodContext, signal: AbortSignal): Prepared {
  const prepared = new Map<string, PreparedContainer>()

  async function create(
    pod: Pod,
    action: CreateAction,
    mounted: ReadonlyMap<string, MountedVolume>,
    before: Promise<unknown> | undefined,
  ): Promise<string | undefined> {
    await before
    try {
      const image = await context.puller.present(imageWanted(context, pod, action.container), signal)
      if (image === undefined) return undefined
      const id = await createContainer(context, pod, action, mounted, image, signal)
      await context.observer.refresh(id)
      return id
    } catch (error) {
      context.options.logger.debug({ error: (error as Error).message }, 'container could not be prepared')
      return undefined
    }
  }

  return {
    prepare(pod, sandbox, mounted) {
      const observed = context.observer.of(pod.metadata.uid ?? '')
      for (const { container, kind } of firstContainers(pod, observed)) {
        if (asksForPodIp(container)) continue
        const action = { container, kind, attempt: 0, sandbox }
        const id = create(pod, action, mounted, prepared.get(container.name)?.id)
        prepared.set(container.name, { attempt: 0, sandboxId: sandbox.id, id })
      }
    },

    async settled() {
      await Promise.all([...prepared.values()].map(({ id }) => id))
    },

    async take(name, attempt, sandboxId) {
      const found = prepared.get(name)
      prepared.delete(name)
      return found?.attempt === attempt && found.sandboxId === sandboxId ? found.id : undefined
    },
  }
}

/** What runs first in a pod of which nothing has run: its first init container, else all the others. */
function firstContainers(pod: Pod, observed: readonly RuntimeContainer[]) {
  if (observed.some((one) => one.role === 'container')) return []
  const all = containersOf(pod.spec ?? { containers: [] })
  const [first] = all
  return first === undefined || first.kind === 'app' ? all.filter(({ kind }) => kind === 'app') : [first]
}

/** The address is known only when the sandbox has its network. */
const asksForPodIp = (container: AnyContainer): boolean =>
  (container.env ?? []).some(({ valueFrom }) => valueFrom?.fieldRef?.fieldPath.startsWith('status.podIP'))
