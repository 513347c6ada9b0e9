/** A link as `ip -j addr show` prints it. */
export interface LinkListing {
  readonly ifname: string
  readonly flags?: readonly string[]
  readonly master?: string
  readonly mtu?: number
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[]
}

/** A route as `ip -j route show` prints it. */
export interface RouteListing {
  readonly dst: string
  readonly type?: string
  readonly gateway?: string
  readonly dev?: string
}

/** What is wrong with the bridge of the pods, in words. */
export function bridgeDrift(
  links: readonly LinkListing[],
  wanted: { readonly bridge: string; readonly mtu: number; readonly addresses: readonly string[] },
): string[] {
  const { bridge } = wanted
  const found = links.find((link) => link.ifname === bridge)
  if (!found) return [`link ${bridge} is missing`]
  const held = (found.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`)
  return [
    ...(isUp(found) ? [] : [`link ${bridge} is down`]),
    ...(found.mtu === wanted.mtu ? [] : [`link ${bridge} has MTU ${found.mtu} instead of ${wanted.mtu}`]),
    ...wanted.addresses.filter((one) => !held.includes(one)).map((one) => `link ${bridge} lacks ${one}`),
  ]
}

/** What is wrong with one pod's end on the node: gone, off the bridge, or down. */
export function podLinkDrift(links: readonly LinkListing[], name: string, bridge: string): string | undefined {
  const found = links.find((link) => link.ifname === name)
  if (!found) return `link ${name} of a pod is missing`
  if (found.master !== bridge) return `link ${name} of a pod is not on ${bridge}`
  return isUp(found) ? undefined : `link ${name} of a pod is down`
}

/** Settings whose value is another than wanted. `found` has the values in the same order; '' where there is no such one. */
export const settingDrift = (wanted: readonly (readonly [string, string])[], found: readonly string[]): string[] =>
  wanted.flatMap(([path, value], index) =>
    found[index] === value || !found[index]
      ? []
      : [`${path.replaceAll('/', '.')} is ${found[index]} instead of ${value}`],
  )

/** Routes that are gone or lead elsewhere. `wanted`: destination → the rest of `ip route replace`. */
export function routeDrift(wanted: ReadonlyMap<string, string>, present: readonly RouteListing[]): string[] {
  return [...wanted].flatMap(([destination, rest]) => {
    const found = present.find((one) => one.type === undefined && one.dst === destination)
    if (!found) return [`route to ${destination} is missing`]
    const [via, dev] = [/\bvia (\S+)/.exec(rest)?.[1], /\bdev (\S+)/.exec(rest)?.[1]]
    const isSame = (via ?? found.gateway) === found.gateway && (dev ?? found.dev) === found.dev
    return isSame ? [] : [`route to ${destination} leads elsewhere`]
  })
}

/** Ranges that no route keeps from leaving by a default route. */
export const guardDrift = (ranges: readonly string[], present: readonly RouteListing[]): string[] =>
  ranges
    .filter((range) => !present.some((one) => one.type === 'unreachable' && one.dst === range))
    .map((range) => `unreachable route of ${range} is missing`)

const isUp = (link: LinkListing): boolean => link.flags?.includes('UP') ?? false
