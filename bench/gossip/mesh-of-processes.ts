import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../support/load.ts'
import type { Arrival, ToNode, ToParent } from './messages.ts'

/** Replicas in processes of their own, connected over loopback. */
export interface MeshOfProcesses {
  write(node: number, number: number): void
  /** For each write, the milliseconds after which it was readable, one an other node that had it. */
  delays(): Promise<number[][]>
  stop(): Promise<void>
}

const connectTimeoutMs = 60_000

/** Resolves when every node is connected with every other. */
export async function startMesh(count: number, scratchDir: string, signal: AbortSignal): Promise<MeshOfProcesses> {
  const nodes: NodeProcess[] = []
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())))
  try {
    for (let index = 0; index < count; index++)
      nodes.push(startNode(index + 1, join(scratchDir, `gossip-${count}-${index}`)))
    const waiting = { timeoutMs: connectTimeoutMs, everyMs: 100, signal }
    await until('the nodes of the mesh', waiting, () => nodes.every((node) => node.member()) || undefined)
    const members = nodes.map((node) => node.member()!)
    for (const node of nodes) node.tell({ type: 'members', members })
    await until(
      'connections of each with each',
      waiting,
      () => nodes.every((node) => node.connected() === count - 1) || undefined,
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    write: (node, number) => nodes[node]!.tell({ type: 'write', number }),
    async delays() {
      const arrivals = (await Promise.all(nodes.map((node) => node.arrivals()))).flat()
      const ofWrite = Map.groupBy(arrivals, ({ number }) => number)
      return [...ofWrite.values()].map((found) => found.map(({ delayMs }) => delayMs))
    },
    stop,
  }
}

interface NodeProcess {
  member(): Extract<ToParent, { type: 'listening' }>['member'] | undefined
  connected(): number
  arrivals(): Promise<Arrival[]>
  tell(message: ToNode): void
  stop(): Promise<void>
}

function startNode(number: number, dataDir: string): NodeProcess {
  const program = fileURLToPath(new URL('node.ts', import.meta.url))
  const child: ChildProcess = fork(program, [String(number), dataDir], {
    // A group of its own: Ctrl-C is for the parent, which stops it.
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const ended = once(child, 'exit')
  let member: ReturnType<NodeProcess['member']>
  let connected = 0
  let answer: ((arrivals: Arrival[]) => void) | undefined
  child.on('message', (message: ToParent) => {
    if (message.type === 'listening') member = message.member
    else if (message.type === 'connected') connected = message.count
    else answer?.(message.arrivals)
  })
  return {
    member: () => member,
    connected: () => connected,
    tell: (message) => void child.send(message),
    async arrivals() {
      const asked = new Promise<Arrival[]>((resolve) => (answer = resolve))
      child.send({ type: 'report' } satisfies ToNode)
      return Promise.race([
        asked,
        ended.then((): never => {
          throw new Error('a node of the mesh ended')
        }),
      ])
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
