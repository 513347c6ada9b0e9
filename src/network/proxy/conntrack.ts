import type { Contribution } from './contribution.ts'
import type { Exec } from '../exec.ts'
import type { Family } from '../family.ts'

/** `address port` of each endpoint to which a contribution sends UDP. */
export function udpBackends(contribution: Contribution | undefined): Set<string> {
  const found = new Set<string>()
  for (const { container, key, value } of contribution?.elements ?? []) {
    if (container.endsWith('eps') && key.split(' . ').includes('udp')) found.add(value.replace(' . ', ' '))
  }
  for (const { rules } of contribution?.chains.values() ?? []) {
    for (const action of rules.flatMap((rule) => rule.does)) {
      if (action.do === 'dnatTo' && action.proto === 'udp') found.add(`${action.address} ${action.port}`)
    }
  }
  return found
}

/** Endpoints that one version of a contribution used and the next does not. */
export function staleUdpBackends(before: Contribution | undefined, after: Contribution | undefined): string[] {
  const kept = udpBackends(after)
  return [...udpBackends(before)].filter((backend) => !kept.has(backend))
}

/**
 * UDP ports at the node's own addresses that one version of a contribution does not take and the next does. Whoever sent
 * there before has a flow that leads to the node itself, and would keep it.
 */
export function newUdpPorts(before: Contribution | undefined, after: Contribution | undefined): string[] {
  const portsOf = (contribution: Contribution | undefined): string[] =>
    (contribution?.elements ?? []).flatMap(({ container, key }) => {
      const [proto, port = ''] = key.split(' . ')
      return container === 'port-services' && proto === 'udp' ? [port] : []
    })
  const known = new Set(portsOf(before))
  return portsOf(after).filter((port) => !known.has(port))
}

/** Makes the kernel forget UDP flows to a port, whoever answers them. */
export async function forgetUdpPorts(exec: Exec, ports: readonly string[], family: Family): Promise<void> {
  for (const port of ports) await forget(exec, family, '--orig-port-dst', port)
}

/**
 * Makes the kernel forget UDP flows to endpoints that are gone. Without a handshake a client would go on sending into
 * a translation that nobody answers, for as long as it sends.
 */
export async function forgetUdpFlows(exec: Exec, backends: readonly string[], family: Family): Promise<void> {
  for (const backend of backends) {
    const [address = '', port = ''] = backend.split(' ')
    await forget(exec, family, '--reply-src', address, '--reply-port-src', port)
  }
}

async function forget(exec: Exec, family: Family, ...which: string[]): Promise<void> {
  // Exit code 1 says that there was no such flow.
  await exec('conntrack', ['-D', '-f', family.apiName.toLowerCase(), '-p', 'udp', ...which], { timeoutMs: 10_000 })
}
