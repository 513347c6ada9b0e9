import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { IPAddress, Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { listedInformers } from '../../client/listed-informers.ts'
import type { Action } from '../controller.ts'
import { indexedView } from '../indexed-view.ts'
import { ipAddressController } from './ip-address.ts'

const service = (name: string, ips: string[], second = 0): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'web', uid: `u-${name}`, creationTimestamp: `2026-01-01T00:00:0${second}Z` },
  spec: { type: 'ClusterIP', clusterIP: ips[0] ?? '', clusterIPs: ips, ports: [{ port: 80 }] },
})
const address = (ip: string, name: string, labels?: Record<string, string>): IPAddress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IPAddress',
  metadata: {
    name: ip,
    uid: `u-${ip}`,
    labels: labels ?? {
      'ipaddress.kubernetes.io/ip-family': ip.includes(':') ? 'IPv6' : 'IPv4',
      'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
    },
  },
  spec: { parentRef: { group: '', resource: 'services', namespace: 'web', name } },
})

function round(services: Service[], addresses: Map<string, IPAddress>): Action[] {
  const view = indexedView(
    listedInformers([
      [refs.services, services],
      [refs.ipAddresses, [...addresses.values()]],
    ]),
  )
  return ipAddressController.keys(view).flatMap((key) => ipAddressController.plan(key, view, 0).actions)
}

/** Carries out plans until there is nothing to do; returns the Events. */
function settle(services: Service[], addresses: Map<string, IPAddress>): Action[] {
  const events: Action[] = []
  for (let rounds = 0; ; rounds++) {
    const actions = round(services, addresses)
    if (actions.length === 0) return events
    if (rounds > 5) throw new Error('it never ends')
    for (const action of actions) {
      if (action.do === 'create') addresses.set(action.object.metadata.name!, action.object as IPAddress)
      if (action.do === 'delete') addresses.delete(action.name)
      if (action.do === 'mutate') action.change(addresses.get(action.name)!)
      if (action.do === 'event') events.push(action)
    }
  }
}
const mapOf = (...all: IPAddress[]) => new Map(all.map((one) => [one.metadata.name!, one]))
const shown = (addresses: Map<string, IPAddress>) =>
  [...addresses].map(([ip, { spec }]) => `${ip} ${spec.parentRef?.name}`).toSorted()

test('each address of a Service has one, with its labels and its parent; headless Services have none', () => {
  const addresses = mapOf()
  settle([service('a', ['10.96.0.5', 'fd00::5']), service('headless', ['None'])], addresses)
  expect([...addresses.values()]).toEqual([
    { ...address('10.96.0.5', 'a'), metadata: expect.objectContaining({ name: '10.96.0.5' }) },
    { ...address('fd00::5', 'a'), metadata: expect.objectContaining({ name: 'fd00::5' }) },
  ])
  expect(addresses.get('fd00::5')?.metadata.labels).toEqual(address('fd00::5', 'a').metadata.labels)
})

test('one without a Service goes; one that users made for themselves stays', () => {
  const addresses = mapOf(address('10.96.0.5', 'gone'), address('10.96.0.6', 'mine', { who: 'me' }))
  settle([], addresses)
  expect(shown(addresses)).toEqual(['10.96.0.6 mine'])
})

test('a wrong parent and lost labels are mended; what is being deleted is left to end', () => {
  const addresses = mapOf(address('10.96.0.5', 'former'), address('10.96.0.6', 'other', { who: 'me' }))
  const events = settle([service('a', ['10.96.0.5']), service('b', ['10.96.0.6'])], addresses)
  expect(shown(addresses)).toEqual(['10.96.0.5 a', '10.96.0.6 b'])
  expect(events).toMatchObject([
    {
      reason: 'ClusterIPNotAllocated',
      message: 'the ClusterIP [IPv4]: 10.96.0.6 for Service web/b has a wrong reference; repairing',
    },
  ])
  addresses.get('10.96.0.5')!.metadata.labels = { who: 'me' }
  settle([service('a', ['10.96.0.5'])], addresses)
  expect(addresses.get('10.96.0.5')?.metadata.labels).toMatchObject({
    who: 'me',
    ...address('10.96.0.5', '').metadata.labels,
  })
  const ending = address('10.96.0.5', 'former')
  ending.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
  expect(round([service('a', ['10.96.0.5'])], mapOf(ending))).toEqual([])
})

test('whatever Services there are: one for each address, of the oldest that has it', () => {
  const ips = fc.uniqueArray(fc.constantFrom('10.96.0.1', '10.96.0.2', 'fd00::1', 'fd00::2'), { maxLength: 2 })
  fc.assert(
    fc.property(fc.array(ips, { maxLength: 6 }), fc.array(ips, { maxLength: 4 }), (held, before) => {
      const services = held.map((one, index) => service(`s${index}`, one, index))
      const addresses = mapOf(...before.flatMap((all, index) => all.map((ip) => address(ip, `s${index}`))))
      settle(services, addresses)
      const owners = new Map(
        services.toReversed().flatMap((one) => one.spec!.clusterIPs!.map((ip) => [ip, one.metadata.name])),
      )
      expect(shown(addresses)).toEqual([...owners].map(([ip, name]) => `${ip} ${name}`).toSorted())
    }),
  )
})
