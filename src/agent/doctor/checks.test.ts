import { expect, test } from 'vitest'
import { checkNode, type NodeFacts } from './checks.ts'

const well: NodeFacts = {
  node: 'a',
  programs: { nft: true, ip: true, conntrack: true, haproxy: true },
  nftables: '',
  ipForward: '1',
  bridgeNetfilter: '1',
  linkMtu: 1500,
  podMtu: 1450,
  runtime: '',
  dns: '',
  peers: [{ node: 'b', address: '192.0.2.2', mesh: '', api: '', pods: '', clockOffsetMs: -200, roundTripMs: 10 }],
}
const wrong = (facts: Partial<NodeFacts>) =>
  checkNode({ ...well, ...facts }).flatMap(({ result, what, remedy }) =>
    result === 'ok' ? [] : [{ what, result, remedy }],
  )

test('a healthy node has nothing to mend', () => {
  expect(wrong({})).toEqual([])
  expect(wrong({ bridgeNetfilter: undefined })).toEqual([])
})

test.each<[string, Partial<NodeFacts>, string, RegExp]>([
  ['a missing program', { programs: { ...well.programs, nft: false } }, 'nft', /apt-get install nftables/],
  ['no forwarding', { ipForward: '0' }, 'forwarding', /ip_forward=1/],
  ['a bridge that hides packets', { bridgeNetfilter: '0' }, 'br_netfilter', /bridge-nf-call-iptables=1/],
  ['pods with larger packets than the link', { podMtu: 9000 }, 'MTU', /lost/],
  ['no bridge', { podMtu: undefined }, 'MTU', /missing/],
  ['no runtime', { runtime: 'connect ENOENT' }, 'container runtime', /docker/],
  ['a peer whose pods are not reached', { peers: [{ ...well.peers[0]!, pods: 'no answer' }] }, 'pods of b', /8472/],
  ['a peer whose clock is off', { peers: [{ ...well.peers[0]!, clockOffsetMs: 5_000 }] }, 'clock of b', /chrony/],
])('%s is named with what to do', (_case, facts, what, remedy) => {
  expect(wrong(facts)).toEqual([{ what, result: 'failed', remedy: expect.stringMatching(remedy) as string }])
})

test('without haproxy a node is only warned', () => {
  expect(wrong({ programs: { ...well.programs, haproxy: false } })).toMatchObject([
    { what: 'haproxy', result: 'warning' },
  ])
})

test('a slow answer is not mistaken for a wrong clock', () => {
  const peer = { ...well.peers[0]!, clockOffsetMs: 1_400, roundTripMs: 1_000 }
  expect(wrong({ peers: [peer] })).toEqual([])
})
