import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientArguments } from './program.ts'

/** What one way carries. */
export interface PathFigures {
  /** Of one byte and its answer, over connections that are kept. */
  requestsPerSecond: number
  /** Connection, one request, end. */
  connectionsPerSecond: number
  gigabitsPerSecond: number
}

const { host, port, amount: durationMs } = clientArguments()
const workers = 16
/** At intervals of 100 ms. */
const connectTries = 100

async function open(): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  socket.on('error', () => socket.destroy())
  return socket
}

/** The server, and the rules that lead to it, may need a moment. */
async function openFirst(): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await open()
    } catch (error) {
      if (attempt === connectTries) throw error
      await sleep(100)
    }
  }
}

async function ask(socket: Socket): Promise<void> {
  socket.write('p')
  await once(socket, 'data')
}

/** How often the workers together did it in a second. */
async function rate(work: (end: number) => Promise<number>): Promise<number> {
  const begin = performance.now()
  const counts = await Promise.all(Array.from({ length: workers }, () => work(begin + durationMs)))
  return (counts.reduce((sum, count) => sum + count, 0) * 1000) / (performance.now() - begin)
}

async function requests(end: number): Promise<number> {
  const socket = await open()
  let count = 0
  for (; performance.now() < end; count++) await ask(socket)
  socket.destroy()
  return count
}

async function connections(end: number): Promise<number> {
  let count = 0
  for (; performance.now() < end; count++) {
    const socket = await open()
    await ask(socket)
    // Reset instead of closed: 28,000 ports in TIME_WAIT would be the end of the measurement.
    socket.resetAndDestroy()
  }
  return count
}

async function stream(): Promise<number> {
  const socket = await open()
  const chunk = Buffer.alloc(1 << 20)
  const begin = performance.now()
  let bytes = 0
  while (performance.now() - begin < durationMs) {
    bytes += chunk.length
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  const seconds = (performance.now() - begin) / 1000
  socket.destroy()
  return (bytes * 8) / 1e9 / seconds
}

;(await openFirst()).destroy()
// A line is a round: it measures once, and says what it found in a line.
for await (const _ of createInterface({ input: process.stdin })) {
  const figures: PathFigures = {
    requestsPerSecond: await rate(requests),
    connectionsPerSecond: await rate(connections),
    gigabitsPerSecond: await stream(),
  }
  process.stdout.write(`${JSON.stringify(figures)}\n`)
}
