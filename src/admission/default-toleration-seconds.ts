import type { Pod, Toleration } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { isOn, type AdmissionPlugin } from './plugin.ts'

/** How long pods stay on a node that is not ready, or not reachable, unless they say otherwise. */
export interface TolerationDefaults {
  notReadySeconds: number
  unreachableSeconds: number
}

/** Upstream waits 300 s. Here a dead machine is known for dead within seconds, and its pods are wanted elsewhere. */
export const tolerationDefaults: TolerationDefaults = { notReadySeconds: 5, unreachableSeconds: 5 }

/** Gives pods tolerations for a bounded time against the taints of lost nodes. */
export function defaultTolerationSeconds(defaults: TolerationDefaults = tolerationDefaults): AdmissionPlugin {
  const added: readonly [string, number][] = [
    ['node.kubernetes.io/not-ready', defaults.notReadySeconds],
    ['node.kubernetes.io/unreachable', defaults.unreachableSeconds],
  ]
  return {
    name: 'DefaultTolerationSeconds',
    mutates(attributes) {
      if (!isOn(attributes, refs.pods, 'CREATE', 'UPDATE')) return
      const pod = attributes.object as Pod
      if (!pod.spec) return
      const present = pod.spec.tolerations ?? []
      const missing = added.filter(([key]) => !present.some((toleration) => speaksOf(toleration, key)))
      if (missing.length === 0) return
      pod.spec.tolerations = [
        ...present,
        ...missing.map(([key, tolerationSeconds]) => ({
          key,
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds,
        })),
      ]
    },
  }
}

function speaksOf(toleration: Toleration, taintKey: string): boolean {
  const keyMatches = toleration.key === taintKey || !toleration.key
  return keyMatches && (!toleration.effect || toleration.effect === 'NoExecute')
}
