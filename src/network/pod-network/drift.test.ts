import { expect, test } from 'vitest'
import { bridgeDrift, guardDrift, podLinkDrift, routeDrift, settingDrift } from './drift.ts'

const up = ['BROADCAST', 'UP']
const bridge = { ifname: 'stormo0', flags: up, mtu: 1500, addr_info: [{ local: '10.244.1.1', prefixlen: 24 }] }
const wanted = { bridge: 'stormo0', mtu: 1500, addresses: ['10.244.1.1/24'] }

test('the bridge exists, is up, has its MTU and its addresses', () => {
  expect(bridgeDrift([bridge], wanted)).toEqual([])
  expect(bridgeDrift([], wanted)).toEqual(['link stormo0 is missing'])
  expect(bridgeDrift([{ ...bridge, flags: [], mtu: 1450, addr_info: [] }], wanted)).toEqual([
    'link stormo0 is down',
    'link stormo0 has MTU 1450 instead of 1500',
    'link stormo0 lacks 10.244.1.1/24',
  ])
})

test("a pod's link is there, on the bridge and up", () => {
  const link = { ifname: 'poda', flags: up, master: 'stormo0' }
  expect(podLinkDrift([link], 'poda', 'stormo0')).toBeUndefined()
  expect(podLinkDrift([], 'poda', 'stormo0')).toMatch('missing')
  expect(podLinkDrift([{ ifname: 'poda', flags: up }], 'poda', 'stormo0')).toMatch('not on stormo0')
  expect(podLinkDrift([{ ...link, flags: [] }], 'poda', 'stormo0')).toMatch('down')
})

test('a setting that the kernel does not have is no drift', () => {
  const settings = [
    ['net/ipv4/ip_forward', '1'],
    ['net/bridge/none', '1'],
  ] as const
  expect(settingDrift(settings, ['1', ''])).toEqual([])
  expect(settingDrift(settings, ['0', ''])).toEqual(['net.ipv4.ip_forward is 0 instead of 1'])
})

test('routes are compared by where they lead', () => {
  const routes = new Map([
    ['10.96.0.0/16', 'dev stormo0'],
    ['10.244.2.0/24', 'via 192.0.2.2'],
    ['10.244.3.0/24', 'via 10.244.3.0 dev stormo0x onlink mtu 1450'],
  ])
  const present = [
    { dst: '10.96.0.0/16', dev: 'stormo0' },
    { dst: '10.96.0.0/16', type: 'unreachable' },
    { dst: '10.244.2.0/24', gateway: '192.0.2.2', dev: 'eth0' },
    { dst: '10.244.3.0/24', gateway: '10.244.3.0', dev: 'stormo0x' },
  ]
  expect(routeDrift(routes, present)).toEqual([])
  expect(routeDrift(routes, present.slice(1, 3))).toEqual([
    'route to 10.96.0.0/16 is missing',
    'route to 10.244.3.0/24 is missing',
  ])
  expect(routeDrift(routes, [...present.slice(0, 3), { ...present[3]!, dev: 'eth0' }])).toEqual([
    'route to 10.244.3.0/24 leads elsewhere',
  ])
  expect(guardDrift(['10.96.0.0/16', '10.244.0.0/16'], present)).toEqual([
    'unreachable route of 10.244.0.0/16 is missing',
  ])
})
