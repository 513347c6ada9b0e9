import type { Container, PodSpec } from '../../../api/kinds.ts'
import { parseQuantity } from '../../../lib/quantity.ts'

/** The quality-of-service class that a spec's requests and limits amount to (KEP-less; core helper/qos). */
export function qosClassOf(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers: { resources?: Container['resources'] }[] =
    spec.resources?.requests || spec.resources?.limits
      ? [spec]
      : [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  let asksNothing = true
  let isGuaranteed = true
  for (const { resources } of containers) {
    for (const name of ['cpu', 'memory']) {
      const request = amount(resources?.requests?.[name])
      const limit = amount(resources?.limits?.[name])
      if (request > 0n || limit > 0n) asksNothing = false
      if (limit === 0n || (request !== 0n && request !== limit)) isGuaranteed = false
    }
  }
  return asksNothing ? 'BestEffort' : isGuaranteed ? 'Guaranteed' : 'Burstable'
}

const amount = (quantity: string | number | undefined) => (quantity === undefined ? 0n : parseQuantity(quantity).nano)
