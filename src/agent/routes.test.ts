import { expect, test, vi } from 'vitest'
import type { ExtensionRequest } from '../apiserver/extension-routes.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { WireRange } from '../mesh/wire-range.ts'
import { joinPath } from './join-request.ts'
import { agentRoutes, type RouteOptions } from './routes.ts'

/** Asks a cluster of one member, which speaks `theirs`, to take in a machine that speaks `ours`. */
function askToJoin(ours: WireRange, theirs: WireRange) {
  const member = { node: 'n2', peer: 'p2', addresses: [], apiUrl: 'https://192.0.2.2:6443', zone: '', speaks: ours }
  const present = { ...member, node: 'n1', peer: 'p1', speaks: theirs }
  const command = vi.fn<DecisionLog['command']>(() => Promise.resolve(member))
  const decisions = { members: () => [present, ...command.mock.calls.map(() => member)], command }
  const routes = agentRoutes({ decisions, clock: { nowMs: () => 0 } } as unknown as RouteOptions)
  const body = Buffer.from(JSON.stringify({ tokenId: 't', secret: 's', member }))
  const request = { method: 'POST', body: () => Promise.resolve(body) } as ExtensionRequest
  const answer = routes.find(({ path }) => path === joinPath)?.handler(request)
  return { answer, command }
}

test('a machine that has a version of the wire format in common is taken in', async () => {
  const { answer, command } = askToJoin({ oldest: 2, newest: 3 }, { oldest: 3, newest: 4 })
  expect(await answer).toMatchObject({ code: 200, body: { self: { node: 'n2' } } })
  expect(command).toHaveBeenCalledOnce()
})

test('one that has none is refused with the remedy, and its token is not spent', async () => {
  const { answer, command } = askToJoin({ oldest: 2, newest: 2 }, { oldest: 3, newest: 4 })
  await expect(answer).rejects.toMatchObject({
    reason: 'Forbidden',
    message:
      'n2 speaks version 2 of the wire format, n1 versions 3 to 4: upgrade n2 first, to a release that speaks both',
  })
  expect(command).not.toHaveBeenCalled()
})
