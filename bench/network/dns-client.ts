import { createSocket } from 'node:dgram'
import packet from 'dns-packet'
import { clientArguments } from './program.ts'
import { percentile } from '../support/statistics.ts'

/** What a client saw. */
export interface DnsFigures {
  answers: number
  durationMs: number
  p50Ms: number
  p99Ms: number
}

const { host: address, port, amount: durationMs } = clientArguments()
const outstanding = 64
const names = 1_000
/** An answer that takes longer is not waited for: its place is taken by another query. */
const lostMs = 1_000
/** Every so many answers one is timed: sorting all of them would be most of the work. */
const timedEvery = 16

const queries = Array.from({ length: names }, (_, index) =>
  packet.encode({
    type: 'query',
    flags: packet.RECURSION_DESIRED,
    questions: [{ type: 'A', name: `web-${index}.default.svc.cluster.local` }],
  }),
)
const lookup = (host: string, _options: object, found: (error: null, address: string, family: number) => void): void =>
  found(null, host, 4)
const socket = createSocket({ type: 'udp4', lookup, recvBufferSize: 1 << 20 })
const askedAt = new Float64Array(outstanding)
const times: number[] = []
let answers = 0
let turn = 0
let isOver = false

function ask(slot: number): void {
  const query = queries[turn++ % names]!
  query.writeUInt16BE(slot, 0)
  askedAt[slot] = performance.now()
  socket.send(query, port, address)
}

socket.on('message', (message) => {
  if (isOver) return
  const slot = message.readUInt16BE(0)
  answers += 1
  if (answers % timedEvery === 0) times.push(performance.now() - (askedAt[slot] ?? 0))
  ask(slot)
})
socket.bind(0, address, () => {
  const begin = performance.now()
  for (let slot = 0; slot < outstanding; slot++) ask(slot)
  const watch = setInterval(() => {
    for (const [slot, at] of askedAt.entries()) if (performance.now() - at > lostMs) ask(slot)
  }, lostMs)
  setTimeout(() => {
    isOver = true
    clearInterval(watch)
    const figures: DnsFigures = {
      answers,
      durationMs: performance.now() - begin,
      p50Ms: percentile(times, 0.5),
      p99Ms: percentile(times, 0.99),
    }
    socket.close()
    process.stdout.write(JSON.stringify(figures))
  }, durationMs)
})
