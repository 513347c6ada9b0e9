import type { Container, Pod, PodSpec } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { UsageError } from '../command.ts'

type PodBearer = KubeObject & { spec?: { template?: Pod; jobTemplate?: { spec?: { template?: Pod } } } }

/** Where an object's pod spec is: the path of its keys. Throws UsageError for an object without one. */
function podSpecPath(object: PodBearer): string[] {
  if (object.kind === 'Pod') return ['spec']
  if (object.spec?.jobTemplate) return ['spec', 'jobTemplate', 'spec', 'template', 'spec']
  if (object.spec?.template) return ['spec', 'template', 'spec']
  throw new UsageError(`the object is not a pod or does not have a pod template: ${object.kind}`)
}

export const podSpecOf = (object: KubeObject): PodSpec =>
  podSpecPath(object as PodBearer).reduce<unknown>(
    (value, key) => (value as Record<string, unknown> | undefined)?.[key],
    object,
  ) as PodSpec

/** A patch of an object's pod spec as a patch of the object. */
export const podSpecPatch = (object: KubeObject, patch: unknown): unknown =>
  podSpecPath(object as PodBearer).reduceRight<unknown>((inner, key) => ({ [key]: inner }), patch)

/** Changes of one container, as a strategic merge patch of it; undefined leaves it. */
export type ContainerChange = (container: Container) => Record<string, unknown> | undefined

/** The strategic merge patch of an object that changes its containers; undefined when none is changed. */
export function containersPatch(object: KubeObject, change: ContainerChange): unknown {
  const { containers = [], initContainers = [] } = podSpecOf(object)
  const patchOf = (list: readonly Container[]): Record<string, unknown>[] =>
    list.flatMap((container) => {
      const changed = change(container)
      return changed ? [{ name: container.name, ...changed }] : []
    })
  const [main, init] = [patchOf(containers), patchOf(initContainers)]
  if (main.length + init.length === 0) return undefined
  return podSpecPatch(object, {
    ...(main.length > 0 ? { containers: main } : {}),
    ...(init.length > 0 ? { initContainers: init } : {}),
  })
}
