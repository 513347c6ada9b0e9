import { expect, it } from 'vitest'
import type { Node } from '../api/kinds.ts'
import { parseRequestInfo } from '../apiserver/request-info.ts'
import { toTable } from '../apiserver/table.ts'
import { builtinResources } from '../kinds/builtin.ts'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { createCatalogue } from '../registry/catalogue.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { unreachedNodes } from './unreached-nodes.ts'

const node = (name: string, ready: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { conditions: [{ type: 'Ready', status: ready }] },
})

/** n1 was cut off; its last lease is of the clock's beginning. */
function cutOff() {
  const clock = new VirtualClock()
  const leaseMs = clock.monotonicMs()
  const state = { leader: null as string | null, dead: new Set(['n2', 'n3']) }
  const catalogue = createCatalogue(builtinResources(loadBuiltinSchemas()))
  const unreached = unreachedNodes({
    decisions: {
      status: () => ({ leader: state.leader }) as never,
      members: () => ['n1', 'n3', 'n2'].map((name) => ({ node: name })) as never,
      leaseSinceMs: () => leaseMs,
    },
    isAlive: (name) => !state.dead.has(name),
    self: 'n1',
    clock,
  })
  catalogue.set('built-in', unreached.shownIn(catalogue.all()))
  const words = (): unknown[] =>
    toTable(
      catalogue.find('', 'v1', 'nodes')!,
      ['n1', 'n2', 'n3'].map((name) => node(name, 'True')),
      { version: 'v1', include: 'None', metadata: {}, nowMs: 0, headers: false },
    ).rows.map(({ cells }) => cells[1])
  const warning = (method: string, path: string) =>
    unreached.warning(parseRequestInfo(method, new URL(path, 'https://localhost')))
  return { clock, state, words, warning }
}

it('nodes that a node without a leader does not reach are shown as not ready, after a while', async () => {
  const { clock, state, words, warning } = cutOff()
  await clock.pass(9_000)
  expect(words()).toEqual(['Ready', 'Ready', 'Ready'])
  expect(warning('GET', '/api/v1/nodes')).toBeUndefined()
  await clock.pass(2_000)
  expect(words()).toEqual(['Ready', 'NotReady', 'NotReady'])
  expect(warning('GET', '/api/v1/nodes')).toContain('n1 knows of no leader and does not reach n2, n3')
  state.dead.delete('n2')
  expect(words()).toEqual(['Ready', 'Ready', 'NotReady'])
  // Where somebody leads, conditions are what that node writes.
  state.leader = 'n2'
  expect(words()).toEqual(['Ready', 'Ready', 'Ready'])
  expect(warning('GET', '/api/v1/nodes')).toBeUndefined()
})

it('only what reads nodes is warned', async () => {
  const { clock, warning } = cutOff()
  await clock.pass(11_000)
  expect(warning('GET', '/api/v1/nodes/n2')).toBeDefined()
  expect(warning('GET', '/api/v1/nodes?watch=true')).toBeDefined()
  expect(warning('PATCH', '/api/v1/nodes/n2')).toBeUndefined()
  expect(warning('GET', '/api/v1/pods')).toBeUndefined()
  expect(warning('GET', '/apis/metrics.k8s.io/v1beta1/nodes')).toBeUndefined()
})
