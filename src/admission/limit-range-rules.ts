import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from '../api/kinds.ts'
import { addQuantity, compareQuantity, formatQuantity, parseQuantity, type Quantity } from '../lib/quantity.ts'
import { containersOf } from './pod-containers.ts'

type Amounts = Readonly<Record<string, string | number | undefined>> | undefined

interface Demand {
  requests: Amounts
  limits: Amounts
}

/** Fills in a container's requests and limits from the defaults of the LimitRanges that name some. */
export function defaultContainer(container: Container, ranges: readonly LimitRange[]): void {
  const items = ranges.flatMap((range) => range.spec?.limits ?? []).filter((item) => item.type === 'Container')
  const limits = { ...Object.assign({}, ...items.map((item) => item.default ?? {}).toReversed()) }
  const requests = { ...Object.assign({}, ...items.map((item) => item.defaultRequest ?? {}).toReversed()) }
  if (Object.keys(limits).length === 0 && Object.keys(requests).length === 0) return
  const own = container.resources ?? {}
  container.resources = {
    ...own,
    limits: { ...limits, ...own.limits },
    // A limit of the container's own stands for its request before a default does.
    requests: { ...requests, ...own.limits, ...own.requests },
  }
  if (Object.keys(container.resources.limits ?? {}).length === 0) delete container.resources.limits
  if (Object.keys(container.resources.requests ?? {}).length === 0) delete container.resources.requests
}

/** What is wrong with a pod by one LimitRange, in upstream's words. */
export function podViolations(pod: Pod, range: LimitRange): string[] {
  return (range.spec?.limits ?? []).flatMap((item) => {
    if (item.type === 'Container') {
      return containersOf(pod).flatMap((container) =>
        itemViolations(item, { requests: container.resources?.requests, limits: container.resources?.limits }),
      )
    }
    if (item.type === 'Pod') return itemViolations(item, podDemand(pod))
    return []
  })
}

/** What is wrong with a claim by one LimitRange. */
export function claimViolations(claim: PersistentVolumeClaim, range: LimitRange): string[] {
  return (range.spec?.limits ?? [])
    .filter((item) => item.type === 'PersistentVolumeClaim')
    .flatMap((item) => itemViolations(item, { requests: claim.spec?.resources?.requests, limits: undefined }))
}

/** Sum over the main containers, or the largest init container where that is more (KEP-753 counts restartable ones too). */
function podDemand(pod: Pod): Demand {
  return { requests: total(pod, 'requests'), limits: total(pod, 'limits') }
}

function total(pod: Pod, which: 'requests' | 'limits'): Record<string, string> {
  const sums = new Map<string, Quantity>()
  const restartable = (pod.spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always')
  for (const container of [...(pod.spec?.containers ?? []), ...restartable]) {
    for (const [name, amount] of Object.entries(container.resources?.[which] ?? {})) {
      const sum = sums.get(name)
      const one = parseQuantity(amount)
      sums.set(name, sum ? addQuantity(sum, one) : one)
    }
  }
  for (const container of pod.spec?.initContainers ?? []) {
    for (const [name, amount] of Object.entries(container.resources?.[which] ?? {})) {
      const one = parseQuantity(amount)
      const sum = sums.get(name)
      if (!sum || compareQuantity(one, sum) > 0) sums.set(name, one)
    }
  }
  return Object.fromEntries([...sums].map(([name, sum]) => [name, formatQuantity(sum)]))
}

function itemViolations(item: LimitRangeItem, demand: Demand): string[] {
  const found: string[] = []
  const bounds = (amounts: Record<string, string | number> | undefined) => Object.entries(amounts ?? {})
  for (const [name, bound] of bounds(item.min)) found.push(...minViolation(item.type, name, bound, demand))
  for (const [name, bound] of bounds(item.max)) found.push(...maxViolation(item.type, name, bound, demand))
  for (const [name, bound] of bounds(item.maxLimitRequestRatio)) {
    found.push(...ratioViolation(item.type, name, bound, demand))
  }
  return found
}

function minViolation(type: string, name: string, bound: string | number, { requests, limits }: Demand): string[] {
  const minimum = parseQuantity(bound)
  const text = `minimum ${name} usage per ${type} is ${bound}`
  const request = requests?.[name]
  const limit = limits?.[name]
  if (request === undefined) return [`${text}.  No request is specified`]
  if (compareQuantity(parseQuantity(request), minimum) < 0) return [`${text}, but request is ${request}`]
  if (limit !== undefined && compareQuantity(parseQuantity(limit), minimum) < 0) {
    return [`${text}, but limit is ${limit}`]
  }
  return []
}

function maxViolation(type: string, name: string, bound: string | number, { requests, limits }: Demand): string[] {
  const maximum = parseQuantity(bound)
  const text = `maximum ${name} usage per ${type} is ${bound}`
  const request = requests?.[name]
  // A claim has no limits: its request is what it may not exceed.
  const limit = type === 'PersistentVolumeClaim' ? request : limits?.[name]
  if (limit === undefined) return [`${text}.  No limit is specified`]
  if (compareQuantity(parseQuantity(limit), maximum) > 0) {
    return [`${text}, but ${type === 'PersistentVolumeClaim' ? 'request' : 'limit'} is ${limit}`]
  }
  if (request !== undefined && compareQuantity(parseQuantity(request), maximum) > 0) {
    return [`${text}, but request is ${request}`]
  }
  return []
}

function ratioViolation(type: string, name: string, bound: string | number, { requests, limits }: Demand): string[] {
  const text = `${name} max limit to request ratio per ${type} is ${bound}`
  const request = requests?.[name]
  const limit = limits?.[name]
  if (request === undefined || parseQuantity(request).nano === 0n)
    return [`${text}, but no request is specified or request is 0`]
  if (limit === undefined || parseQuantity(limit).nano === 0n)
    return [`${text}, but no limit is specified or limit is 0`]
  const ratio = Number(parseQuantity(limit).nano) / Number(parseQuantity(request).nano)
  return ratio > Number(parseQuantity(bound).nano) / 1e9 ? [`${text}, but provided ratio is ${ratio.toFixed(6)}`] : []
}
