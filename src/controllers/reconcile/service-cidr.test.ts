import { expect, test } from 'vitest'
import type { IPAddress, Node, ServiceCIDR } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { listedInformers } from '../../client/listed-informers.ts'
import { indexedView } from '../indexed-view.ts'
import { serviceCidrController } from './service-cidr.ts'

const finalizer = 'networking.k8s.io/service-cidr-finalizer'
const deletedAtMs = Date.parse('2026-01-01T00:00:00Z')
const deleted = { finalizers: [finalizer], deletionTimestamp: '2026-01-01T00:00:00Z' }

const range = (name: string, cidrs: string[], metadata: object = {}): ServiceCIDR => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name, uid: name, ...metadata },
  spec: { cidrs },
})
const address = (name: string, manager = 'ipallocator.k8s.io'): IPAddress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IPAddress',
  metadata: { name, labels: { 'ipaddress.kubernetes.io/managed-by': manager } },
  spec: { parentRef: { resource: 'services', namespace: 'default', name: 'web' } },
})

/** What becomes of the first range, and when it is looked at again. */
function plan(
  ranges: ServiceCIDR[],
  addresses: IPAddress[] = [],
  nowMs = deletedAtMs + 10_000,
  nodeAddresses: string[] = [],
) {
  const nodes = nodeAddresses.map((one, index): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `n${index + 1}` },
    status: { addresses: [{ type: 'InternalIP', address: one }] },
  }))
  const view = indexedView(
    listedInformers([
      [refs.serviceCidrs, ranges],
      [refs.ipAddresses, addresses],
      [refs.nodes, nodes],
    ]),
  )
  const [first] = ranges
  const { actions, requeueAfterMs } = serviceCidrController.plan(`/${first?.metadata.name}`, view, nowMs)
  const after = actions.reduce((object, action) => {
    if (action.do !== 'mutate') throw new Error('it only changes the range')
    return (action.change(structuredClone(object)) ?? object) as ServiceCIDR
  }, first!)
  return { after, changes: actions.length, requeueAfterMs }
}
const readyOf = ({ status }: ServiceCIDR) => status?.conditions?.find(({ type }) => type === 'Ready')

test('a new range is held by its finalizer and becomes Ready, beside the conditions of others', () => {
  const other = { type: 'Other', status: 'True' as const, reason: 'X', message: '', lastTransitionTime: '' }
  const { after } = plan([{ ...range('a', ['10.1.0.0/24']), status: { conditions: [other] } }])
  expect(after.metadata.finalizers).toEqual([finalizer])
  expect(after.status?.conditions).toMatchObject([other, { type: 'Ready', status: 'True' }])
  expect(plan([after]).changes).toBe(0)
})

test('one that holds the address of a machine is not Ready, until that is gone', () => {
  const { after } = plan([range('a', ['10.1.0.0/24'])], [], undefined, ['192.0.2.1', '10.1.0.7'])
  const message = '10.1.0.0/24 holds 10.1.0.7, an address of node n2'
  expect(readyOf(after)).toMatchObject({ status: 'False', reason: 'Overlap', message })
  expect(readyOf(plan([after], [], undefined, ['192.0.2.1']).after)).toMatchObject({ status: 'True' })
})

test('one that is deleted stays, and is not Ready, while a Service has an address of it', () => {
  const { after } = plan([range('a', ['10.1.0.0/24'], deleted)], [address('10.1.0.9')])
  expect(readyOf(after)).toMatchObject({ status: 'False', reason: 'Terminating' })
  expect(after.metadata.finalizers).toEqual([finalizer])
  expect(plan([after], [address('10.1.0.9')]).changes).toBe(0)
  const of6 = range('a', ['10.1.0.0/24', 'fd01::/112'], deleted)
  expect(readyOf(plan([of6], [address('fd01::9')]).after)?.status).toBe('False')
})

test.each([
  ['other addresses', [], address('10.2.0.9')],
  ["users' own IPAddresses", [], address('10.1.0.9', 'me')],
  ['another range that holds them', [range('b', ['10.1.0.0/16'])], address('10.1.0.9')],
])('%s do not keep it', (_what, others, one) => {
  const all = [range('a', ['10.1.0.0/24'], deleted), ...others]
  expect(plan(all, [one]).after.metadata.finalizers).toEqual([])
})

test('another range that is about to go itself does', () => {
  const all = [range('a', ['10.1.0.0/24'], deleted), range('b', ['10.1.0.0/16'], deleted)]
  expect(readyOf(plan(all, [address('10.1.0.9')]).after)?.status).toBe('False')
})

test('it goes only when every node has had time to hear of it', () => {
  const { changes, requeueAfterMs } = plan([range('a', ['10.1.0.0/24'], deleted)], [], deletedAtMs + 4_000)
  expect({ changes, requeueAfterMs }).toEqual({ changes: 0, requeueAfterMs: 6_000 })
})

test('addresses and other ranges bring back what waits for them', () => {
  const view = indexedView(listedInformers([[refs.serviceCidrs, [range('a', ['10.1.0.0/24'], deleted)]]]))
  const keys = (ref: object, name: string) =>
    serviceCidrController.watches
      .filter((watch) => watch.ref === ref)
      .flatMap((watch) => watch.keysOf({ object: undefined, previous: undefined, namespace: '', name }, view))
  expect(keys(refs.ipAddresses, '10.1.0.9')).toEqual(['/a'])
  expect(keys(refs.ipAddresses, '10.2.0.9')).toEqual([])
  expect(keys(refs.serviceCidrs, 'b')).toEqual(['/b', '/a'])
})
