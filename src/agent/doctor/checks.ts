/** What a node found out about itself and its way to the others. */
export interface NodeFacts {
  readonly node: string
  /** Programs that were looked for, and whether they are there. */
  readonly programs: Readonly<Record<string, boolean>>
  /** What nft said when it was asked for its tables; '' when it worked. */
  readonly nftables: string
  /** net.ipv4.ip_forward and net.bridge.bridge-nf-call-iptables; undefined when the kernel has no such setting. */
  readonly ipForward: string | undefined
  readonly bridgeNetfilter: string | undefined
  /** Of the link that has the node's address, and of the pods' bridge. */
  readonly linkMtu: number | undefined
  readonly podMtu: number | undefined
  /** What Docker's socket said; '' when it answered. */
  readonly runtime: string
  /** What the node's DNS said to the name of the API's service; '' when it gave the right address. */
  readonly dns: string
  readonly peers: readonly PeerFacts[]
}

export interface PeerFacts {
  readonly node: string
  readonly address: string
  /** Each '' when it worked, else what went wrong. */
  readonly mesh: string
  readonly api: string
  /** The peer's pods, through the pod network. */
  readonly pods: string
  /** The peer's clock less ours, in ms, give or take half of `roundTripMs`; undefined when it did not answer. */
  readonly clockOffsetMs?: number
  readonly roundTripMs?: number
}

export interface Check {
  readonly node: string
  readonly what: string
  readonly result: 'ok' | 'warning' | 'failed'
  readonly detail: string
  /** What to do; only where something is wrong. */
  readonly remedy?: string
}

/** Certificates, tokens and leases are judged by the clock; from here on something will be refused. */
const maxClockOffsetMs = 1_000

const neededPrograms: Readonly<Record<string, string>> = { nft: 'nftables', ip: 'iproute2', conntrack: 'conntrack' }
const optionalPrograms: Readonly<Record<string, string>> = { haproxy: 'haproxy' }
export const examinedPrograms: readonly string[] = Object.keys({ ...neededPrograms, ...optionalPrograms })

/** What is right and what is wrong with a node, and what to do about it. Pure. */
export function checkNode(facts: NodeFacts): Check[] {
  const checks: Check[] = []
  const say = (what: string, result: Check['result'], detail: string, remedy?: string): void => {
    checks.push({ node: facts.node, what, result, detail, ...(result === 'ok' || !remedy ? {} : { remedy }) })
  }
  const failedIf = (problem: string): Check['result'] => (problem === '' ? 'ok' : 'failed')

  for (const [program, debianPackage] of Object.entries(neededPrograms)) {
    if (!facts.programs[program]) say(program, 'failed', 'not installed', `apt-get install ${debianPackage}`)
  }
  if (!facts.programs['haproxy'])
    say('haproxy', 'warning', 'not installed: this node serves no Ingress', 'apt-get install haproxy')
  say('nftables', failedIf(facts.nftables), facts.nftables || 'rules can be read', 'load the kernel module nf_tables')
  say(
    'forwarding',
    facts.ipForward === '1' ? 'ok' : 'failed',
    `net.ipv4.ip_forward = ${facts.ipForward ?? 'absent'}`,
    'sysctl -w net.ipv4.ip_forward=1, and look for what sets it back in /etc/sysctl.d',
  )
  if (facts.bridgeNetfilter === undefined)
    say('br_netfilter', 'ok', 'absent: pods of the node reach each other through routing')
  else
    say(
      'br_netfilter',
      facts.bridgeNetfilter === '1' ? 'ok' : 'failed',
      `net.bridge.bridge-nf-call-iptables = ${facts.bridgeNetfilter}`,
      'sysctl -w net.bridge.bridge-nf-call-iptables=1: without it policies and services fail within the node',
    )
  checks.push(mtuCheck(facts))
  say('container runtime', failedIf(facts.runtime), facts.runtime || 'answers', 'start it: systemctl start docker')
  say('DNS', failedIf(facts.dns), facts.dns || 'answers', 'see the log of the agent on this node')
  for (const peer of facts.peers) checks.push(...checkPeer(facts.node, peer))
  return checks
}

function mtuCheck({ node, linkMtu, podMtu }: NodeFacts): Check {
  const base = { node, what: 'MTU', detail: `link ${linkMtu ?? 'unknown'}, pods ${podMtu ?? 'unknown'}` }
  if (podMtu === undefined)
    return { ...base, result: 'failed', remedy: 'the bridge of the pods is missing: restart the agent' }
  if (linkMtu !== undefined && podMtu > linkMtu)
    return { ...base, result: 'failed', remedy: 'large packets are lost between nodes: restart the agent' }
  return { ...base, result: 'ok' }
}

function checkPeer(node: string, peer: PeerFacts): Check[] {
  const way = (what: string, problem: string, remedy: string): Check => ({
    node,
    what: `${what} of ${peer.node}`,
    result: problem === '' ? 'ok' : 'failed',
    detail: problem || `${peer.address} answers`,
    ...(problem === '' ? {} : { remedy }),
  })
  const checks = [
    way('mesh', peer.mesh, `is ${peer.node} running? let TCP through to its mesh port (default 7946)`),
    way('API', peer.api, `let TCP through to the API's port of ${peer.node} (default 6443)`),
    way('pods', peer.pods, 'let the pod range through between the nodes: routed as it is, or VXLAN (UDP 8472)'),
  ]
  if (peer.clockOffsetMs !== undefined) {
    const off = Math.abs(peer.clockOffsetMs) - (peer.roundTripMs ?? 0) / 2
    const isOff = off > maxClockOffsetMs
    checks.push({
      node,
      what: `clock of ${peer.node}`,
      result: isOff ? 'failed' : 'ok',
      detail: `${Math.round(peer.clockOffsetMs)} ms off, ± ${Math.round((peer.roundTripMs ?? 0) / 2)}`,
      ...(isOff ? { remedy: 'let a time service (chrony, systemd-timesyncd) keep both clocks' } : {}),
    })
  }
  return checks
}
