import { expect, test } from 'vitest'
import type { Node } from '../../api/kinds.ts'
import { backendFor, peerNodes, planRoutes } from './route-plan.ts'

const node = (name: string, ip?: string, podCIDR?: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: podCIDR === undefined ? {} : { podCIDR },
  status: {
    addresses: [
      { type: 'Hostname', address: name },
      ...(ip === undefined ? [] : [{ type: 'InternalIP', address: ip }]),
    ],
  },
})

const tunnel = { tunnelDevice: 'vx', tunnelMtu: 1450 }

test('peers are the other nodes that have an address and a range', () => {
  const nodes = [
    node('self', '10.0.0.1', '10.244.1.0/24'),
    node('b', '10.0.0.2', '10.244.2.0/24'),
    node('no-range', '10.0.0.3'),
    node('no-address', undefined, '10.244.4.0/24'),
    node('six', 'fd00::1', '10.244.5.0/24'),
  ]
  expect(peerNodes(nodes, 'self')).toEqual([{ name: 'b', ip: '10.0.0.2', podCidr: '10.244.2.0/24' }])
})

test('host-gw routes through the node; vxlan through the tunnel, with its neighbour known beforehand', () => {
  const peers = peerNodes([node('b', '10.0.0.2', '10.244.2.0/24'), node('c', '10.9.0.3', '10.244.3.0/24')], 'self')
  const plan = planRoutes(peers, { ...tunnel, backendOf: (peer) => (peer.name === 'b' ? 'host-gw' : 'vxlan') })
  expect([...plan.routes]).toEqual([
    ['10.244.2.0/24', 'via 10.0.0.2'],
    ['10.244.3.0/24', 'via 10.244.3.0 dev vx onlink mtu 1450'],
  ])
  expect([...plan.neighbours]).toEqual([['10.244.3.0', '0a:58:0a:f4:03:00']])
  expect([...plan.forwarding]).toEqual([['0a:58:0a:f4:03:00', '10.9.0.3']])
})

test('of two nodes with one range the first by name has it, in whichever order they are listed', () => {
  const twins = [node('c', '10.0.0.3', '10.244.2.0/24'), node('b', '10.0.0.2', '10.244.2.0/24')]
  for (const nodes of [twins, twins.toReversed()]) {
    const plan = planRoutes(peerNodes(nodes, 'self'), { ...tunnel, backendOf: () => 'host-gw' })
    expect([...plan.routes]).toEqual([['10.244.2.0/24', 'via 10.0.0.2']])
  }
})

test('a pair is encrypted when either link is not trusted; who has no key is left without a route', () => {
  const key = `${'A'.repeat(43)}=`
  const sealed = (name: string, last: number, annotations: Record<string, string>): Node => {
    const made = node(name, `10.0.0.${last}`, `10.244.${last}.0/24`)
    return { ...made, metadata: { name, annotations } }
  }
  const nodes = [
    sealed('trusted', 2, { 'stormo.dev/wireguard-public-key': key }),
    sealed('untrusted', 3, { 'stormo.dev/wireguard-public-key': key, 'stormo.dev/link-trust': 'untrusted' }),
    sealed('keyless', 4, { 'stormo.dev/link-trust': 'untrusted', 'stormo.dev/wireguard-public-key': 'x\n[Peer]' }),
  ]
  const planOf = (isUntrusted: boolean, encryption?: { device: string; mtu: number }) =>
    planRoutes(peerNodes(nodes, 'self'), {
      ...tunnel,
      ...(encryption ? { encryption } : {}),
      backendOf: (peer) => backendFor(peer, { backend: 'auto', isUntrusted, isOnLink: true }),
    })
  const plan = planOf(false, { device: 'wg', mtu: 1440 })
  expect([...plan.routes]).toEqual([
    ['10.244.2.0/24', 'via 10.0.0.2'],
    ['10.244.3.0/24', 'dev wg mtu 1440'],
  ])
  expect([...plan.encrypted]).toEqual([[key, { ip: '10.0.0.3', podCidr: '10.244.3.0/24' }]])
  expect(plan.withheld).toEqual(['keyless'])
  expect(planOf(true).withheld).toEqual(['keyless', 'trusted', 'untrusted'])
  expect(planOf(true, { device: 'wg', mtu: 1440 }).routes.get('10.244.2.0/24')).toBe('dev wg mtu 1440')
})

test('IPv6 ranges go the same ways, by next hops that follow from IPv4 addresses', () => {
  const nodes = ['b', 'c', 'd'].map((name, index) => {
    const one = node(name, `192.168.0.${index + 2}`)
    return { ...one, spec: { podCIDRs: [`10.244.${index + 2}.0/24`, `fd00:10:244:${index + 2}::/64`] } }
  })
  const peers = peerNodes(nodes, 'self').map((peer) => (peer.name === 'd' ? { ...peer, publicKey: 'key' } : peer))
  const backends = { b: 'host-gw', c: 'vxlan', d: 'wireguard' } as const
  const plan = planRoutes(peers, {
    ...tunnel,
    backendOf: (peer) => backends[peer.name as 'b'],
    encryption: { device: 'wg', mtu: 1440 },
    uplink6: 'eth0',
  })
  expect(plan.routes.get('fd00:10:244:2::/64')).toBe('via fe80::5efe:c0a8:2 dev eth0')
  expect(plan.routes.get('fd00:10:244:3::/64')).toBe('via fe80::5efe:af4:300 dev vx mtu 1450')
  expect(plan.neighbours.get('fe80::5efe:af4:300')).toBe(plan.neighbours.get('10.244.3.0'))
  expect(plan.routes.get('fd00:10:244:4::/64')).toBe('dev wg mtu 1440')
  expect(plan.encrypted.get('key')).toMatchObject({ podCidr: '10.244.4.0/24', podCidr6: 'fd00:10:244:4::/64' })
  const single = planRoutes(peers, { ...tunnel, backendOf: () => 'host-gw' })
  expect([...single.routes.keys()].some((range) => range.includes(':'))).toBe(false)
})
