import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FlowSchema, PriorityLevelConfiguration, UserInfo } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { fakeInformers } from '../../client/fake-informers.ts'
import { parseRequestInfo } from '../request-info.ts'
import { classify, inPrecedence } from './classify.ts'
import { defaultFlowSchemas, defaultPriorityLevels } from './defaults.ts'
import { createFlowControl, type FlowControl, type Seats } from './flow-control.ts'
import { dealHand } from './shuffle-sharding.ts'

const request = (user: UserInfo, method = 'GET', path = '/api/v1/namespaces/shop/pods') => ({
  user,
  info: parseRequestInfo(method, new URL(`https://x${path}`)),
})
const person = (username: string, ...groups: string[]) => ({ username, groups: [...groups, 'system:authenticated'] })
const never = new AbortController().signal

test.each<[string, UserInfo, string, string, string]>([
  ['exempt', person('admin', 'system:masters'), 'GET', '/api/v1/pods', ''],
  ['probes', { username: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET', '/readyz', ''],
  ['system-node-high', person('system:node:a', 'system:nodes'), 'PUT', '/api/v1/nodes/a/status', 'system:node:a'],
  ['system-nodes', person('system:node:a', 'system:nodes'), 'GET', '/api/v1/pods', 'system:node:a'],
  [
    'kube-system-service-accounts',
    person('system:serviceaccount:kube-system:x', 'system:serviceaccounts'),
    'GET',
    '/api/v1/namespaces/shop/pods',
    'shop',
  ],
  [
    'service-accounts',
    person('system:serviceaccount:shop:x', 'system:serviceaccounts'),
    'GET',
    '/api/v1/pods',
    'system:serviceaccount:shop:x',
  ],
  [
    'workload-leader-election',
    person('system:serviceaccount:shop:x', 'system:serviceaccounts'),
    'PUT',
    '/apis/coordination.k8s.io/v1/namespaces/shop/leases/l',
    'system:serviceaccount:shop:x',
  ],
  ['global-default', person('jane'), 'GET', '/apis', 'jane'],
])('%s', (name, user, method, path, distinguisher) => {
  const found = classify(inPrecedence(defaultFlowSchemas), request(user, method, path))
  expect([found?.schema.metadata.name, found?.distinguisher]).toEqual([name, distinguisher])
})

test('every default schema names a default level', () => {
  const levels = defaultPriorityLevels.map(({ metadata }) => metadata.name)
  for (const { spec } of defaultFlowSchemas) expect(levels).toContain(spec?.priorityLevelConfiguration.name)
})

test('a hand is of different queues, and always the same', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 128 }), fc.integer({ min: 1, max: 8 }), (flow, queues, size) => {
      const hand = dealHand(flow, queues, size)
      expect(new Set(hand).size).toBe(Math.min(queues, size))
      expect(hand.every((one) => one >= 0 && one < queues)).toBe(true)
      expect(dealHand(flow, queues, size)).toEqual(hand)
    }),
  )
})

/** Time that passes when it is told to, at once. */
function manualClock() {
  let nowMs = 0
  const due = new Map<() => void, number>()
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs: number, run: () => void) {
      due.set(run, nowMs + delayMs)
      return { cancel: () => void due.delete(run) }
    },
    advance(ms: number) {
      nowMs += ms
      for (const [run, at] of due) if (at <= nowMs && due.delete(run)) run()
    },
  }
}

/** One level for everybody, of a few seats. */
function small(limits: { seats: number; queues?: number; length?: number; response?: string }) {
  const informers = fakeInformers()
  const group = 'flowcontrol.apiserver.k8s.io'
  const put = (resource: string, object: object) => informers.put({ group, resource }, object as KubeObject)
  const level: PriorityLevelConfiguration = {
    apiVersion: `${group}/v1`,
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'small', uid: 'level-uid' },
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares: 1_000_000,
        borrowingLimitPercent: 0,
        limitResponse: {
          type: limits.response ?? 'Queue',
          queuing: { queues: limits.queues ?? 32, handSize: 4, queueLengthLimit: limits.length ?? 3 },
        },
      },
    },
  }
  const schema: FlowSchema = {
    ...defaultFlowSchemas.find(({ metadata }) => metadata.name === 'global-default')!,
    metadata: { name: 'all', uid: 'schema-uid' },
  }
  put('prioritylevelconfigurations', level)
  put('flowschemas', { ...schema, spec: { ...schema.spec, priorityLevelConfiguration: { name: 'small' } } })
  const clock = manualClock()
  return { clock, flow: createFlowControl({ informers, clock, totalSeats: limits.seats }) }
}

describe('a level', () => {
  const enter = (flow: FlowControl, name: string) => flow.enter(request(person(name)), 1, never)
  const outcome = (promise: Promise<Seats>) =>
    promise.then(
      () => 'in',
      (error: { code: number; details?: { retryAfterSeconds?: number } }) =>
        `${error.code} ${error.details?.retryAfterSeconds}`,
    )

  test('tells whom it let in by which configuration', async () => {
    expect(await enter(small({ seats: 2 }).flow, 'a')).toMatchObject({
      flowSchemaUid: 'schema-uid',
      priorityLevelUid: 'level-uid',
    })
  })

  test('a flood fills its own queues and is refused; who asks once is next', async () => {
    const { flow } = small({ seats: 1 })
    const running = await enter(flow, 'flood')
    const order: string[] = []
    const ask = (name: string) =>
      enter(flow, name).then(
        (seats) => {
          order.push(name)
          seats.leave()
          return 'in'
        },
        (error: { code: number }) => String(error.code),
      )
    const flood = Array.from({ length: 40 }, () => ask('flood'))
    const quiet = ask('quiet')
    running.leave()
    expect(await quiet).toBe('in')
    // At worst one of each queue of the flood's hand comes before it.
    expect(order.indexOf('quiet')).toBeLessThan(5)
    const outcomes = await Promise.all(flood)
    expect(outcomes.filter((one) => one === '429')).toHaveLength(28)
    expect(flow.text()).toContain(
      'apiserver_flowcontrol_rejected_requests_total{priority_level="small",flow_schema="all",reason="queue-full"} 28',
    )
  })

  test('who waited too long is refused, who leaves makes room', async () => {
    const { flow, clock } = small({ seats: 1 })
    await enter(flow, 'a')
    const late = outcome(enter(flow, 'b'))
    const gone = new AbortController()
    const left = outcome(flow.enter(request(person('c')), 1, gone.signal))
    gone.abort()
    expect(await left).toBe('429 1')
    clock.advance(15_000)
    expect(await late).toBe('429 1')
    expect(flow.text()).toContain('current_inqueue_requests{priority_level="small"} 0')
  })

  test('of two flows each gets its half, however many requests it sends', async () => {
    const { flow, clock } = small({ seats: 1, length: 1000 })
    const served: Record<string, number> = { many: 0, few: 0 }
    const first = await enter(flow, 'first')
    const work = (name: string) =>
      enter(flow, name).then(async (seats) => {
        served[name] = (served[name] ?? 0) + 1
        clock.advance(100)
        seats.leave()
      })
    const all = [...Array.from({ length: 60 }, () => work('many')), ...Array.from({ length: 10 }, () => work('few'))]
    first.leave()
    await all[60 + 9]
    expect(served['few']).toBe(10)
    // Its four queues against the other's four: no more than its share, give or take the hands.
    expect(served['many']).toBeLessThan(25)
    await Promise.all(all)
  })

  test('a flood of short requests, many at once, does not make a newcomer wait for the time that they might have taken', async () => {
    const { flow, clock } = small({ seats: 16, length: 1000 })
    let served = 0
    const short = (name: string) =>
      enter(flow, name).then(async (seats) => {
        served++
        await Promise.resolve()
        clock.advance(1)
        seats.leave()
      })
    const flood = Array.from({ length: 600 }, () => short('flood'))
    await flood[200]
    const before = served
    await short('quiet')
    expect(served - before).toBeLessThan(40)
    await Promise.all(flood)
  })

  test('what a flow has used is forgotten once it is idle: who asked for much before waits no longer for it', async () => {
    const { flow, clock } = small({ seats: 1, length: 1000 })
    const dear = await enter(flow, 'rare')
    clock.advance(14_000)
    dear.leave()
    const order: string[] = []
    const work = (name: string) =>
      enter(flow, name).then((seats) => {
        order.push(name)
        clock.advance(5)
        seats.leave()
      })
    const first = await enter(flow, 'first')
    const all = Array.from({ length: 100 }, () => work('flood'))
    const rare = work('rare')
    first.leave()
    await rare
    expect(order.indexOf('rare')).toBeLessThan(6)
    await Promise.all(all)
  })

  test('that rejects does not queue', async () => {
    const { flow } = small({ seats: 1, response: 'Reject' })
    await enter(flow, 'a')
    expect(await outcome(enter(flow, 'b'))).toBe('429 1')
  })
})

test('lent seats are free ones: what a level keeps it can always have', async () => {
  const clock = manualClock()
  const flow = createFlowControl({ clock, totalSeats: 100 })
  const low = (at: number) => flow.enter(request(person(`user-${at}`)), 1, never)
  let inside = 0
  const waiting = Array.from({ length: 150 }, (_, at) => low(at).then(() => inside++))
  await Promise.race([Promise.all(waiting), new Promise((resolve) => setImmediate(resolve))])
  // global-default is due 9 of 100 and has borrowed what others lend, and no more.
  expect(inside).toBeGreaterThan(9)
  expect(inside).toBeLessThan(100)
  const node = await flow.enter(request(person('system:node:a', 'system:nodes')), 1, never)
  expect(node).toBeDefined()
  for (const one of waiting) one.catch(() => undefined)
  clock.advance(15_000)
})
