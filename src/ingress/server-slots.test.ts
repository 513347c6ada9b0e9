import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assignSlots, slotCommands, type ServerSlots } from './server-slots.ts'

const address = fc.nat(40).map((number) => `10.0.0.${number}:80`)
const endpoints = fc.uniqueArray(address, { maxLength: 20 })

/** What a proxy would have after the commands. */
function run(slots: ServerSlots, commands: readonly string[]): (string | undefined)[] {
  const servers = slots.map((one) => ({ address: one, ready: one !== undefined }))
  for (const command of commands) {
    const [, index, rest] = /^set server b\/s(\d+) (.*)$/.exec(command) ?? []
    const server = servers[Number(index) - 1]!
    const [, ip, port] = /^addr (\S+) port (\d+)$/.exec(rest!) ?? []
    if (ip) server.address = `${ip}:${port}`
    else server.ready = rest === 'state ready'
  }
  return servers.map((one) => (one.ready ? one.address : undefined))
}

test('every endpoint has one slot, and keeps it as long as the slots suffice', () => {
  fc.assert(
    fc.property(endpoints, endpoints, (first, second) => {
      const before = assignSlots(undefined, first)
      const after = assignSlots(before, second)
      expect(after.filter((one) => one !== undefined).toSorted()).toEqual(second.toSorted())
      for (const [index, one] of before.entries()) if (one && second.includes(one)) expect(after[index]).toBe(one)
    }),
  )
})

test('the commands turn one assignment into the other, and say nothing when nothing changed', () => {
  fc.assert(
    fc.property(endpoints, endpoints, (first, second) => {
      const before = assignSlots(undefined, first)
      const after = assignSlots(before, second)
      const commands = slotCommands(new Map([['b', before]]), new Map([['b', after]]))
      expect(commands === undefined).toBe(before.length !== after.length)
      if (commands) expect(run(before, commands)).toEqual(after)
      expect(slotCommands(new Map([['b', after]]), new Map([['b', after]]))).toEqual([])
    }),
  )
})

test('a name needs a new reading: the runtime interface takes addresses only', () => {
  const before = new Map([['b', assignSlots(undefined, [])]])
  expect(slotCommands(before, new Map([['b', assignSlots(before.get('b'), ['db.example:80'])]]))).toBeUndefined()
})
