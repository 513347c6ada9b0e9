import { sectionNames } from './body-limit.ts'
import type { RouteBackend } from './routes.ts'

/**
 * A backend's servers by number: an address, or undefined where nobody is. Servers come and go by commands to the
 * running proxy; only when the slots do not suffice is its configuration read anew, with more of them.
 */
export type ServerSlots = readonly (string | undefined)[]

const minSlots = 4

/**
 * Gives every endpoint a slot: what has one keeps it, so that a change costs what changed. A number of slots that
 * suffices stays; else it becomes the next power of two, and the endpoints begin from the first.
 */
export function assignSlots(before: ServerSlots | undefined, endpoints: readonly string[]): ServerSlots {
  const size = Math.max(minSlots, before?.length ?? 0, nextPowerOfTwo(endpoints.length))
  const slots: (string | undefined)[] = Array.from({ length: size }, (_, index) => before?.[index])
  const wanted = new Set(endpoints)
  for (const [index, address] of slots.entries()) {
    if (address === undefined) continue
    if (!wanted.delete(address)) slots[index] = undefined
  }
  for (const address of wanted) slots[slots.indexOf(undefined)] = address
  return slots
}

const nextPowerOfTwo = (count: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, count)))

/** Slots of all backends, by the names of their sections. */
export function assignAllSlots(
  before: ReadonlyMap<string, ServerSlots>,
  backends: readonly RouteBackend[],
): Map<string, ServerSlots> {
  return new Map(
    backends.flatMap((backend) =>
      sectionNames(backend).map((name) => [name, assignSlots(before.get(name), backend.endpoints)] as const),
    ),
  )
}

export const slotName = (index: number): string => `s${index + 1}`

/**
 * The commands of HAProxy's runtime interface that turn one assignment into another; undefined when the configuration
 * has to be read anew. What leaves is drained: open requests end, no new ones come.
 */
export function slotCommands(
  before: ReadonlyMap<string, ServerSlots>,
  after: ReadonlyMap<string, ServerSlots>,
): string[] | undefined {
  const commands: string[] = []
  for (const [backend, slots] of after) {
    const old = before.get(backend)
    if (old?.length !== slots.length) return undefined
    for (const [index, address] of slots.entries()) {
      if (old[index] === address) continue
      const server = `${backend}/${slotName(index)}`
      if (address === undefined) {
        commands.push(`set server ${server} state maint`)
        continue
      }
      const colon = address.lastIndexOf(':')
      // The runtime interface takes addresses only; a name is looked up when the configuration is read.
      if (!/^[\d.]+$/.test(address.slice(0, colon))) return undefined
      commands.push(`set server ${server} addr ${address.slice(0, colon)} port ${address.slice(colon + 1)}`)
      commands.push(`set server ${server} state ready`)
    }
  }
  return commands
}
