import { describe, expect, test } from 'vitest'
import type { Node, Service, ServiceSpec } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import type { Action, View } from '../controller.ts'
import { ingressStatusController } from './ingress-status.ts'
import { loadBalancerController } from './load-balancer.ts'
import { parseAddressPool } from './load-balancer-pool.ts'

const announcer = 'stormo.dev/announced-by'

/** A handful of objects, and what becomes of them when plans are carried out. */
function createWorld(objects: readonly [GroupResource, KubeObject][]) {
  const all = new Map(objects.map(([ref, object]) => [`${ref.resource}/${object.metadata.name}`, { ref, object }]))
  const list = (ref: GroupResource): KubeObject[] =>
    [...all.values()].filter((one) => one.ref.resource === ref.resource).map((one) => one.object)
  const view: View = {
    get: (ref, _namespace, name) => all.get(`${ref.resource}/${name}`)?.object as never,
    list: (ref) => list(ref) as never,
    indexed: (ref, index, value) => list(ref).filter((one) => index.valuesOf(one).includes(value)) as never,
    countIndexed: (ref, index, value) => view.indexed(ref, index, value).length,
  }
  return {
    view,
    put: (ref: GroupResource, object: KubeObject) =>
      all.set(`${ref.resource}/${object.metadata.name}`, { ref, object }),
    service: (name: string) => all.get(`services/${name}`)?.object as Service,
    /** Until nothing changes; returns the Events. */
    settle(): Action[] {
      const events: Action[] = []
      for (let round = 0; round < 5; round++) {
        for (const key of loadBalancerController.keys(view)) {
          for (const action of loadBalancerController.plan(key, view, 0).actions) {
            if (action.do === 'event') events.push(action)
            if (action.do !== 'mutate') continue
            const slot = all.get(`${action.ref.resource}/${action.name}`)!
            slot.object = action.change(slot.object) ?? slot.object
          }
        }
      }
      return events
    },
  }
}

const node = (index: number, ready = true): [GroupResource, Node] => [
  refs.nodes,
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `n${index}` },
    status: {
      addresses: [{ type: 'InternalIP', address: `192.0.2.${index}` }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  } as Node,
]

const service = (name: string, port: number, spec: ServiceSpec = {}): [GroupResource, Service] => [
  refs.services,
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', uid: name, creationTimestamp: `2026-01-01T00:00:0${name.length}Z` },
    spec: { type: 'LoadBalancer', ports: [{ port }], ...spec },
  },
]

const pool = (addresses: string): [GroupResource, KubeObject] => [
  refs.configMaps,
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'load-balancer', namespace: 'kube-system' },
    data: { addresses },
  } as KubeObject,
]

const addresses = (one: Service) => (one.status?.loadBalancer?.ingress ?? []).map((each) => each.ip)

describe('without a pool', () => {
  test('a service has the addresses of the nodes that are Ready', () => {
    const world = createWorld([node(1), node(2), node(3, false), service('a', 80)])
    world.settle()
    expect(addresses(world.service('a'))).toEqual(['192.0.2.1', '192.0.2.2'])
    world.put(...node(3))
    world.settle()
    expect(addresses(world.service('a'))).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  })

  test('of two services with one port the older has it, and the younger is told', () => {
    const world = createWorld([node(1), service('young', 80), service('a', 80), service('other', 81)])
    const events = world.settle()
    expect(addresses(world.service('a'))).toEqual(['192.0.2.1'])
    expect(addresses(world.service('young'))).toEqual([])
    expect(addresses(world.service('other'))).toEqual(['192.0.2.1'])
    expect(events[0]).toMatchObject({
      about: { name: 'young' },
      reason: 'SyncLoadBalancerFailed',
      message: 'Error syncing load balancer: port 80/TCP of the nodes is used by default/a',
    })
  })

  test('of an Ingress and a service at port 80 the older has it, and the younger is told', () => {
    const controller = 'stormo.dev/ingress'
    const ingress = (second: number): [GroupResource, KubeObject] => [
      refs.ingresses,
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'front', namespace: 'default', creationTimestamp: `2026-01-01T00:00:0${second}Z` },
        spec: { ingressClassName: 'stormo' },
      } as KubeObject,
    ]
    const ours: [GroupResource, KubeObject] = [
      refs.ingressClasses,
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name: 'stormo' },
        spec: { controller },
      } as never,
    ]
    const world = createWorld([node(1), ours, ingress(4), service('rivals', 80), service('other', 81)])
    const [event] = world.settle()
    expect(addresses(world.service('rivals'))).toEqual([])
    expect(addresses(world.service('other'))).toEqual(['192.0.2.1'])
    expect(event).toMatchObject({
      message: 'Error syncing load balancer: port 80/TCP of the nodes is used by Ingress default/front',
    })
    world.put(...ingress(8))
    world.settle()
    expect(addresses(world.service('rivals'))).toEqual(['192.0.2.1'])
    const status = () => ingressStatusController.plan('default/front', world.view, 0).actions
    expect(status()).toMatchObject([
      { reason: 'IngressNotServed', message: 'port 80/TCP of the nodes is used by default/rivals' },
    ])
    world.put(...pool('198.51.100.4/31'))
    expect(status()).toEqual([])
  })

  test("another's class is left alone; what is a balancer no longer loses its addresses", () => {
    const world = createWorld([node(1), service('a', 80, { loadBalancerClass: 'example.com/x' }), service('b', 80)])
    world.settle()
    expect(addresses(world.service('a'))).toEqual([])
    expect(addresses(world.service('b'))).toEqual(['192.0.2.1'])
    world.put(refs.services, { ...world.service('b'), spec: { type: 'ClusterIP', ports: [{ port: 80 }] } } as Service)
    world.settle()
    expect(addresses(world.service('b'))).toEqual([])
  })
})

describe('with a pool', () => {
  test('each service has an address of its own, keeps it, and one node announces it', () => {
    const world = createWorld([node(1), node(2), pool('198.51.100.4/31'), service('a', 80), service('bb', 80)])
    world.settle()
    expect(['a', 'bb'].map((name) => addresses(world.service(name)))).toEqual([['198.51.100.4'], ['198.51.100.5']])
    expect(['a', 'bb'].map((name) => world.service(name).metadata.annotations?.[announcer])).toEqual(['n1', 'n2'])
    world.put(...pool('198.51.100.0-198.51.100.9'))
    world.settle()
    expect(addresses(world.service('a'))).toEqual(['198.51.100.4'])
  })

  test('a node that is lost hands over what it announced, and only that', () => {
    const world = createWorld([node(1), node(2), pool('198.51.100.4/31'), service('a', 80), service('bb', 80)])
    world.settle()
    world.put(...node(2, false))
    world.settle()
    expect(['a', 'bb'].map((name) => world.service(name).metadata.annotations?.[announcer])).toEqual(['n1', 'n1'])
    world.put(...node(2))
    world.settle()
    expect(world.service('bb').metadata.annotations?.[announcer]).toBe('n1')
  })

  test('an address that is asked for is given when it is free; a full pool is said', () => {
    const world = createWorld([
      node(1),
      pool('198.51.100.4/31'),
      service('a', 80, { loadBalancerIP: '198.51.100.5' }),
      service('bb', 80),
      service('ccc', 80),
    ])
    const events = world.settle()
    expect(['a', 'bb', 'ccc'].map((name) => addresses(world.service(name)))).toEqual([
      ['198.51.100.5'],
      ['198.51.100.4'],
      [],
    ])
    expect(events[0]).toMatchObject({ message: 'Error syncing load balancer: the pool has no free address' })
  })
})

test('a Service of both families has an address of each, as far as the pool has them', () => {
  const dual = { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' }
  const required = { ...dual, ipFamilyPolicy: 'RequireDualStack' }
  const world = createWorld([
    node(1),
    node(2),
    pool('198.51.100.4/30 fd00:0:0:9::1-fd00:0:0:9::1'),
    service('a', 80, dual),
    service('bb', 80, { ...dual, ipFamilies: ['IPv6', 'IPv4'] }),
    service('ccc', 80, required),
  ])
  const events = world.settle()
  expect(addresses(world.service('a'))).toEqual(['198.51.100.5', 'fd00:0:0:9::1'])
  expect(addresses(world.service('bb'))).toEqual(['198.51.100.6'])
  expect(addresses(world.service('ccc'))).toEqual([])
  expect(new Set(events.map((one) => one.do === 'event' && `${one.about.name} ${one.message}`))).toEqual(
    new Set(['ccc Error syncing load balancer: the pool has no free address']),
  )
  world.put(...pool('198.51.100.4/30 fd00:0:0:9::/126'))
  world.put(...service('ccc', 80, { ipFamilies: ['IPv6'], loadBalancerIP: 'fd00:0:0:9::3' }))
  world.settle()
  expect(['a', 'bb', 'ccc'].map((name) => addresses(world.service(name)))).toEqual([
    ['198.51.100.5', 'fd00:0:0:9::1'],
    ['fd00:0:0:9::2', '198.51.100.6'],
    ['fd00:0:0:9::3'],
  ])
})

test('a pool is ranges, networks without their ends, and single addresses; what is none is named', () => {
  const { pool: read, problem } = parseAddressPool('10.0.0.8/30, 10.0.1.1-10.0.1.2 10.0.2.7,nonsense,10.0.0.9-10.0.0.1')
  const found: string[] = []
  read.first(32, (address) => {
    found.push(address)
    return false
  })
  expect(found).toEqual(['10.0.0.9', '10.0.0.10', '10.0.1.1', '10.0.1.2', '10.0.2.7'])
  expect(problem).toBe('the pool has no addresses in "nonsense, 10.0.0.9-10.0.0.1"')
})
