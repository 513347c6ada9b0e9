import { expect, test } from 'vitest'
import { createFakeInformers } from '../../../test/support/fake-informers.ts'
import type { Node, ServiceCIDR } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import { silentLogger } from '../../lib/log.ts'
import { ipv4 } from '../family.ts'
import { createRuleSources } from './rule-sources.ts'

const node = (address: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'b' },
  status: { addresses: [{ type: 'InternalIP', address }] },
})

test('a further range that holds a machine’s address has no rules, and is looked at again when that changes', async () => {
  const informers = createFakeInformers()
  const range: ServiceCIDR = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'more' },
    spec: { cidrs: ['192.0.2.0/24'] },
  }
  informers.put(refs.serviceCidrs, range)
  informers.put(refs.nodes, node('192.0.2.7'))
  const sources = createRuleSources({
    nodeName: 'a',
    nodeIp: '198.51.100.1',
    ranges: { clusterCidr: '10.244.0.0/16', podCidr: '10.244.1.0/24', serviceCidr: '10.96.0.0/16', bridge: 'br' },
    family: ipv4,
    informers,
    logger: silentLogger,
  })
  const rules = (): number =>
    [...sources.contributionOf('ranges')!.chains.values()].reduce((sum, chain) => sum + chain.rules.length, 0)
  const touched: string[] = []
  sources.follow((owner) => touched.push(owner))
  expect(rules()).toBe(0)
  touched.length = 0
  informers.put(refs.nodes, node('198.51.100.7'))
  expect(touched).toEqual(['ranges'])
  expect(rules()).toBeGreaterThan(0)
  await sources.stop()
})
