import { expect, test } from 'vitest'
import { podLinkName, podLinkSteps, podOfLink, type PodLinkShape } from './pod-link.ts'

const shape: PodLinkShape = { bridge: 'br', mtu: 1450, gateway: '10.0.1.1', prefixLength: 24, routed: false }
const pod = { podUid: 'u', pid: 7, address: '10.0.1.9', address6: undefined }
const inside = (...args: Parameters<typeof podLinkSteps>): readonly string[] => podLinkSteps(...args).at(-1)!.lines

test('a link says whose it is, and what is no pod’s link is not taken for one', () => {
  const link = podLinkName('br', 'u')
  const alias = podLinkSteps(shape, pod)
    .flatMap(({ lines }) => lines)
    .find((line) => line.includes(' alias '))!
    .split(' ')
    .at(-1)!
  expect(podOfLink({ ifname: link, ifalias: alias })).toEqual({ link, podUid: 'u', ip: '10.0.1.9' })
  expect(podOfLink({ ifname: link })).toBeUndefined()
  expect(podOfLink({ ifname: 'veth0', ifalias: alias })).toBeUndefined()
  expect(podLinkName('other', 'u')).not.toBe(link)
})

test('a pod is in the range of the bridge, or where the bridge is passed by routing, alone', () => {
  expect(inside(shape, pod)).toEqual([
    'link set lo up',
    'addr add 10.0.1.9/24 dev eth0',
    'link set eth0 up',
    'route add default via 10.0.1.1 dev eth0',
  ])
  expect(inside({ ...shape, routed: true }, pod)).toEqual([
    'link set lo up',
    'addr add 10.0.1.9/32 dev eth0',
    'link set eth0 up',
    'route add 10.0.1.1 dev eth0 scope link',
    'route add default via 10.0.1.1 dev eth0',
  ])
})

test('of both families it has an address and a way of each', () => {
  const both = { ...shape, gateway6: 'fd00::1', prefixLength6: 64 }
  expect(inside(both, { ...pod, address6: 'fd00::9' }).slice(4)).toEqual([
    'addr add fd00::9/64 dev eth0 nodad',
    'route add default via fd00::1 dev eth0',
  ])
  expect(inside({ ...both, routed: true }, { ...pod, address6: 'fd00::9' }).slice(5)).toEqual([
    'addr add fd00::9/128 dev eth0 nodad',
    'route add fd00::1 dev eth0',
    'route add default via fd00::1 dev eth0',
  ])
})
