import { connect, type Socket } from 'node:net'
import type { Clock, Timer } from '../../lib/clock.ts'

const intervalMs = 3_000
const timeoutMs = 1_000

/**
 * Connects to this node's API server now and then: the kernel sees that it takes connections and lets default/kubernetes
 * lead to it for some seconds more (skeleton.ts). Without it a server that nobody asks would look dead.
 */
export function createApiProbe(options: { address: string; port: number; clock: Clock }): {
  start(): void
  stop(): void
} {
  let timer: Timer | undefined
  let socket: Socket | undefined
  let stopped = true

  function probe(): void {
    socket?.destroy()
    socket = connect({ host: options.address, port: options.port, timeout: timeoutMs })
    // Not serving is an answer too: the set's time runs out.
    socket.on('error', () => {})
    socket.on('timeout', () => socket?.destroy())
    socket.on('connect', () => socket?.destroy())
    timer = options.clock.after(intervalMs, () => {
      if (!stopped) probe()
    })
  }

  return {
    start() {
      stopped = false
      probe()
    },
    stop() {
      stopped = true
      timer?.cancel()
      socket?.destroy()
    },
  }
}
