import type { SimulatedCluster } from './simulated-cluster.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { calm, type MessageKind, type Weather } from './network.ts'
import { pick } from './virtual-time.ts'

export interface FaultArguments {
  readonly node: SimulatedNode
  readonly other: SimulatedNode
  readonly forMs: number
}

/** Makes the fault happen; returns how it ends, when its time is over. Says by `cluster.hit` that it had an effect. */
type Fault = (cluster: SimulatedCluster, args: FaultArguments) => (() => void) | void

const weather =
  (patch: Partial<Weather>): Fault =>
  ({ network }) => {
    Object.assign(network.weather, patch)
    return () => {
      for (const name of Object.keys(patch) as (keyof Weather)[]) network.weather[name] = calm[name]
    }
  }

type Cuts = (cluster: SimulatedCluster, args: FaultArguments) => (readonly [SimulatedNode, SimulatedNode])[]

const partition =
  (name: string, cuts: Cuts): Fault =>
  (cluster, args) => {
    for (const [from, to] of cuts(cluster, args)) {
      if (from !== to) cluster.network.cut(from.peer, to.peer, name)
    }
    return () => cluster.network.mend(name)
  }

const between = (left: readonly SimulatedNode[], right: readonly SimulatedNode[]) =>
  left.flatMap((a) => right.flatMap((b) => [[a, b] as const, [b, a] as const]))
const others = ({ nodes }: SimulatedCluster, node: SimulatedNode) => nodes.filter((one) => one !== node)
const leaderOr = (cluster: SimulatedCluster, node: SimulatedNode) => cluster.leader ?? node

const kill =
  (name: string, victims: (cluster: SimulatedCluster, args: FaultArguments) => readonly SimulatedNode[]): Fault =>
  (cluster, args) => {
    const killed = victims(cluster, args).filter(({ isRunning }) => isRunning)
    for (const node of killed) cluster.kill(node)
    if (killed.length > 0) cluster.hit(name)
    return () => {
      for (const node of killed) cluster.start(node)
    }
  }

const pause =
  (name: string, victim: (cluster: SimulatedCluster, args: FaultArguments) => SimulatedNode): Fault =>
  (cluster, args) => {
    const clock = victim(cluster, args).life?.clock
    if (!clock || clock.isPaused) return
    cluster.hit(name)
    clock.pause()
    return () => clock.resume()
  }

const jump =
  (name: string, ms: number): Fault =>
  (cluster, { node }) => {
    if (!node.life) return
    node.life.clock.jump(ms)
    cluster.hit(name)
  }

const rate =
  (name: string, factor: number): Fault =>
  (cluster, { node }) => {
    const clock = node.life?.clock
    if (!clock) return
    clock.setRate(factor)
    cluster.hit(name)
    return () => clock.setRate(1)
  }

/** The node dies at the very moment at which it would send its next message of that kind. */
const crashOnSend =
  (name: string, kind: MessageKind): Fault =>
  (cluster, { node, forMs }) => {
    const { network } = cluster
    network.onSend = (from, _to, sent) => {
      if (sent !== kind || from !== node.peer || !node.isRunning) return false
      network.onSend = undefined
      cluster.hit(name)
      cluster.kill(node)
      cluster.time.after(forMs, () => cluster.start(node))
      return true
    }
    return () => {
      network.onSend = undefined
    }
  }

const table = {
  'network.lose-broadcast': weather({ dropBroadcast: 0.5 }),
  'network.lose-message': weather({ dropMessage: 0.3 }),
  'network.lose-request': weather({ loseRequest: 0.3 }),
  'network.lose-answer': weather({ loseAnswer: 0.3 }),
  'network.duplicate-broadcast': weather({ duplicateBroadcast: 0.6 }),
  'network.duplicate-message': weather({ duplicateMessage: 0.5 }),
  'network.reorder': weather({ reorder: 0.5, delayMs: 40 }),
  'network.delay': weather({ delayMs: 150 }),
  'network.truncate-broadcast': weather({ corrupt: 0.6 }),
  'network.storm': (cluster) => {
    cluster.hit('network.storm')
    const rough = { dropBroadcast: 0.3, dropMessage: 0.2, loseRequest: 0.2, loseAnswer: 0.2 }
    return weather({ ...rough, duplicateBroadcast: 0.3, duplicateMessage: 0.3, reorder: 0.3, delayMs: 100 })(
      cluster,
      {} as FaultArguments,
    )
  },
  'link.slow': (cluster, { node, other }) => {
    cluster.network.slow(node.peer, other.peer, 400, 'link.slow')
    return () => cluster.network.mend('link.slow')
  },
  'link.slow-node': (cluster, { node }) => {
    for (const other of others(cluster, node)) {
      cluster.network.slow(node.peer, other.peer, 250, 'link.slow-node')
      cluster.network.slow(other.peer, node.peer, 250, 'link.slow-node')
    }
    return () => cluster.network.mend('link.slow-node')
  },
  'partition.halves': partition('partition.halves', ({ nodes }) => {
    const middle = nodes.length >> 1
    return between(nodes.slice(0, middle), nodes.slice(middle))
  }),
  'partition.node': partition('partition.node', (cluster, { node }) => between([node], others(cluster, node))),
  'partition.leader': partition('partition.leader', (cluster, { node }) => {
    const leader = leaderOr(cluster, node)
    return between([leader], others(cluster, leader))
  }),
  'partition.leader-with-one': partition('partition.leader-with-one', (cluster, { node, other }) => {
    const side = [leaderOr(cluster, node), other]
    return between(
      side,
      cluster.nodes.filter((one) => !side.includes(one)),
    )
  }),
  'partition.all': partition('partition.all', ({ nodes }) => between(nodes, nodes)),
  'partition.pair': partition('partition.pair', (_cluster, { node, other }) => between([node], [other])),
  'partition.bridge': partition('partition.bridge', ({ nodes }, { node }) => {
    const rest = nodes.filter((one) => one !== node)
    const middle = rest.length >> 1
    return between(rest.slice(0, middle), rest.slice(middle))
  }),
  'partition.ring': partition('partition.ring', ({ nodes }) =>
    nodes.flatMap((a, i) =>
      nodes
        .filter((_, j) => j !== i && j !== (i + 1) % nodes.length && i !== (j + 1) % nodes.length)
        .map((b) => [a, b] as const),
    ),
  ),
  'partition.deaf': partition('partition.deaf', (cluster, { node }) =>
    others(cluster, node).map((one) => [one, node] as const),
  ),
  'partition.mute': partition('partition.mute', (cluster, { node }) =>
    others(cluster, node).map((one) => [node, one] as const),
  ),
  'partition.deaf-leader': partition('partition.deaf-leader', (cluster, { node }) => {
    const leader = leaderOr(cluster, node)
    return others(cluster, leader).map((one) => [one, leader] as const)
  }),
  'partition.mute-leader': partition('partition.mute-leader', (cluster, { node }) => {
    const leader = leaderOr(cluster, node)
    return others(cluster, leader).map((one) => [leader, one] as const)
  }),
  'partition.one-way-pair': partition('partition.one-way-pair', (_cluster, { node, other }) => [
    [node, other] as const,
  ]),
  'partition.unnoticed': (cluster, { node }) => {
    cluster.network.isSilent = true
    for (const [from, to] of between([node], others(cluster, node))) {
      cluster.network.cut(from.peer, to.peer, 'partition.unnoticed')
    }
    return () => {
      cluster.network.isSilent = false
      cluster.network.mend('partition.unnoticed')
    }
  },
  'partition.flapping': (cluster, { node, forMs }) => {
    const endMs = cluster.time.nowMs + forMs
    const flap = (isCut: boolean): void => {
      cluster.network.mend('partition.flapping')
      if (cluster.time.nowMs >= endMs) return
      if (isCut) {
        for (const [from, to] of between([node], others(cluster, node))) {
          cluster.network.cut(from.peer, to.peer, 'partition.flapping')
        }
      }
      cluster.time.after(300 + pick(cluster.chance, 1_500), () => flap(!isCut))
    }
    flap(true)
    return () => cluster.network.mend('partition.flapping')
  },
  'process.kill': kill('process.kill', (_cluster, { node }) => [node]),
  'process.kill-leader': kill('process.kill-leader', (cluster, { node }) => [leaderOr(cluster, node)]),
  'process.kill-two': kill('process.kill-two', (_cluster, { node, other }) => (node === other ? [] : [node, other])),
  'process.kill-majority': kill('process.kill-majority', ({ nodes }) => nodes.slice(0, (nodes.length >> 1) + 1)),
  'process.power-cut': kill('process.power-cut', ({ nodes }) => nodes),
  'process.restart': (cluster, { node }) => {
    if (!node.isRunning) return
    cluster.hit('process.restart')
    cluster.kill(node)
    cluster.time.after(1, () => cluster.start(node))
  },
  'process.kill-starting': (cluster, { node, forMs }) => {
    if (!node.isRunning) return
    cluster.hit('process.kill-starting')
    cluster.kill(node)
    cluster.start(node)
    cluster.time.after(pick(cluster.chance, 6), () => cluster.kill(node))
    cluster.time.after(forMs, () => cluster.start(node))
  },
  'process.kill-in-turn': (cluster, { forMs }) => {
    cluster.hit('process.kill-in-turn')
    cluster.nodes.forEach((node, index) => {
      cluster.time.after(index * 700, () => {
        cluster.kill(node)
        cluster.time.after(Math.min(forMs, 600), () => cluster.start(node))
      })
    })
  },
  'process.stop': (cluster, { node }) => {
    if (!node.isUp) return
    cluster.hit('process.stop')
    void cluster.stop(node)
    return () => cluster.start(node)
  },
  'process.stop-leader': (cluster) => {
    const { leader } = cluster
    if (!leader) return
    cluster.hit('process.stop-leader')
    void cluster.stop(leader)
    return () => cluster.start(leader)
  },
  'process.pause': pause('process.pause', (_cluster, { node }) => node),
  'process.pause-leader': pause('process.pause-leader', (cluster, { node }) => leaderOr(cluster, node)),
  'process.stutter': (cluster, { node, forMs }) => {
    const clock = node.life?.clock
    if (!clock) return
    cluster.hit('process.stutter')
    const endMs = cluster.time.nowMs + forMs
    const stutter = (): void => {
      if (cluster.time.nowMs >= endMs) return clock.resume()
      if (clock.isPaused) clock.resume()
      else clock.pause()
      cluster.time.after(50 + pick(cluster.chance, 400), stutter)
    }
    stutter()
    return () => clock.resume()
  },
  'leader.resign': (cluster) => {
    const life = cluster.leader?.life
    if (!life) return
    cluster.hit('leader.resign')
    void life.decisions.transferLeadership()
  },
  'crash.on-message': crashOnSend('crash.on-message', 'message'),
  'crash.on-request': crashOnSend('crash.on-request', 'request'),
  'crash.on-answer': crashOnSend('crash.on-answer', 'answer'),
  'crash.on-broadcast': crashOnSend('crash.on-broadcast', 'broadcast'),
  'crash.in-commit': (cluster, { node, forMs }) => {
    node.disk.onCommit = () => {
      cluster.hit('crash.in-commit')
      cluster.kill(node)
      cluster.time.after(forMs, () => cluster.start(node))
    }
    return () => {
      node.disk.onCommit = undefined
    }
  },
  'disk.torn-write': (cluster, { node, forMs }) => {
    node.disk.onCommit = () => {
      cluster.kill(node, true)
      cluster.time.after(forMs, () => cluster.start(node))
    }
    return () => {
      node.disk.onCommit = undefined
    }
  },
  'disk.slow': (_cluster, { node }) => {
    node.disk.isSlow = true
    return () => {
      node.disk.isSlow = false
    }
  },
  'disk.stall': (_cluster, { node }) => {
    node.disk.isStalled = true
    return () => {
      node.disk.isStalled = false
    }
  },
  'disk.store-full': (_cluster, { node }) => {
    node.disk.setStoreFull(true)
    return () => node.disk.setStoreFull(false)
  },
  'disk.log-full': (_cluster, { node }) => {
    node.disk.setLogFull(true)
    return () => node.disk.setLogFull(false)
  },
  'disk.bit-rot': (cluster, { node, forMs }) => {
    if (!cluster.rotSafely(node)) return
    cluster.hit('disk.bit-rot')
    cluster.kill(node)
    cluster.time.after(forMs, () => cluster.start(node))
  },
  'clock.ahead': jump('clock.ahead', 5_000),
  'clock.back': jump('clock.back', -5_000),
  'clock.far-ahead': jump('clock.far-ahead', 10 * 60_000),
  'clock.far-back': jump('clock.far-back', -10 * 60_000),
  'clock.fast': rate('clock.fast', 1.3),
  'clock.slow': rate('clock.slow', 0.7),
  'client.gives-up': (cluster) => {
    cluster.clientsGiveUp = true
    return () => {
      cluster.clientsGiveUp = false
    }
  },
  'client.repeats': (cluster) => {
    cluster.clientsRepeat = true
    return () => {
      cluster.clientsRepeat = false
    }
  },
} satisfies Record<string, Fault>

export type FaultName = keyof typeof table

/** Every fault that the simulator knows; each must have had an effect somewhere in a run of many seeds. */
export const faultNames = Object.keys(table) as FaultName[]

export function applyFault(cluster: SimulatedCluster, name: FaultName, args: FaultArguments): (() => void) | void {
  const fault: Fault = table[name]
  return fault(cluster, args)
}
