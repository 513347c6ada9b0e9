import { expect, test } from 'vitest'
import type { Exec } from '../exec.ts'
import { ipv4 } from '../family.ts'
import { forgetUdpFlows, forgetUdpPorts, newUdpPorts, staleUdpBackends } from './conntrack.ts'
import { createContribution } from './contribution.ts'

function contribution(ports: readonly (readonly [string, number])[], endpoints: readonly string[]) {
  const out = createContribution()
  for (const [proto, port] of ports) {
    out.element('port-services', [proto, port], 'goto somewhere')
    endpoints.forEach((address, index) => out.element('port-eps', [proto, port, index], `${address} . 53`))
  }
  return out.done()
}

test('UDP endpoints that are gone are stale, those of TCP are nobody’s business', () => {
  const before = contribution([['udp', 30_053]], ['10.244.0.1', '10.244.0.2'])
  const after = contribution([['udp', 30_053]], ['10.244.0.2'])
  expect(staleUdpBackends(before, after)).toEqual(['10.244.0.1 53'])
  expect(staleUdpBackends(after, before)).toEqual([])
  const tcp = contribution([['tcp', 30_053]], ['10.244.0.1'])
  expect(staleUdpBackends(tcp, undefined)).toEqual([])
})

test('a UDP port is new when nothing answered at it before', () => {
  const ports = contribution(
    [
      ['udp', 30_053],
      ['tcp', 30_080],
    ],
    [],
  )
  expect(newUdpPorts(undefined, ports)).toEqual(['30053'])
  expect(newUdpPorts(ports, ports)).toEqual([])
  expect(newUdpPorts(ports, undefined)).toEqual([])
})

test('flows are forgotten by what they lead to, or by the port that was asked', async () => {
  const ran: string[] = []
  const exec: Exec = async (command, args) => {
    ran.push([command, ...args].join(' '))
    return { code: 1, stdout: '', stderr: '' }
  }
  await forgetUdpFlows(exec, ['10.244.0.1 53'], ipv4)
  await forgetUdpPorts(exec, ['30053'], ipv4)
  expect(ran).toEqual([
    'conntrack -D -f ipv4 -p udp --reply-src 10.244.0.1 --reply-port-src 53',
    'conntrack -D -f ipv4 -p udp --orig-port-dst 30053',
  ])
})
