import { expect, test } from 'vitest'
import { createFakeInformers } from '../../../test/support/fake-informers.ts'
import type { Service } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { silentLogger } from '../../lib/log.ts'
import { VirtualClock } from '../../lib/testing/virtual-clock.ts'
import { announcedAddresses, createAddressAnnouncer } from './address-announcer.ts'

const service = (name: string, node: string | undefined, ...ips: string[]): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name,
    namespace: 'default',
    annotations: node === undefined ? undefined : { 'stormo.dev/announced-by': node },
  },
  spec: { type: 'LoadBalancer' },
  status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
})

test('a node announces the addresses of the services that name it, and no others', () => {
  const services = [
    service('a', 'n1', '192.0.2.1', 'fd00::1'),
    service('b', 'n2', '192.0.2.2'),
    service('c', undefined, '192.0.2.3'),
  ]
  expect(announcedAddresses(services, 'n1')).toEqual(new Set(['192.0.2.1', 'fd00::1']))
  expect(announcedAddresses(services, 'n3')).toEqual(new Set())
})

interface Held {
  local: string
  label?: string
  metric?: number
  dadfailed?: boolean
}

/** A link `eth0` of 10.0.0.1, and what becomes of it; returns the commands that changed it. */
async function reconciled(held: Held[], services: Service[]): Promise<string[]> {
  const informers = createFakeInformers()
  for (const one of services) informers.put(refs.services, one)
  const changes: string[] = []
  const clock = new VirtualClock()
  const announcer = createAddressAnnouncer({
    nodeName: 'n1',
    nodeIp: '10.0.0.1',
    informers,
    clock,
    logger: silentLogger,
    exec: async (command, args) => {
      const line = args.join(' ')
      const link = { ifname: 'eth0', addr_info: [{ local: '10.0.0.1' }, ...held] }
      if (line.includes('addr show')) return { code: 0, stdout: JSON.stringify([link]), stderr: '' }
      if (command === 'ip') changes.push(line)
      return { code: 0, stdout: '', stderr: '' }
    },
  })
  await announcer.start()
  await clock.pass(1_000)
  await announcer.stop()
  return changes
}

test('addresses of both families come and go, each with the mark by which they are known as ours', async () => {
  const ours = { label: 'eth0:slb' }
  const ours6 = { metric: 1_170_117 }
  const held = [
    { local: '192.0.2.1', ...ours },
    { local: '192.0.2.8', ...ours },
    { local: '192.0.2.9' },
    { local: 'fd00::8', ...ours6 },
    { local: 'fd00::9' },
  ]
  expect(await reconciled(held, [service('a', 'n1', '192.0.2.1', '192.0.2.2', 'fd00::2')])).toEqual([
    'addr del 192.0.2.8/32 dev eth0',
    'addr del fd00::8/128 dev eth0',
    'addr add 192.0.2.2/32 dev eth0 label eth0:slb',
    // Deprecated: no packet of the node's own gets it as its source.
    'addr add fd00::2/128 dev eth0 metric 1170117 preferred_lft 0',
  ])
})

test('an address that another machine had is tried again', async () => {
  const refused = { local: 'fd00::2', metric: 1_170_117, dadfailed: true }
  expect(await reconciled([refused], [service('a', 'n1', 'fd00::2')])).toEqual([
    'addr del fd00::2/128 dev eth0',
    'addr add fd00::2/128 dev eth0 metric 1170117 preferred_lft 0',
  ])
})
