/**
 * `rolling-client.ts HOST PORT COUNT`: keeps so many connections open, most of them idle, and asks on each of them now and
 * then. One whose server drains is ended and replaced. Says `ready` once all are open; on SIGTERM it asks on all of them a
 * last time and prints what became of them as JSON.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientArguments } from './program.ts'

/** What became of the connections. */
export interface RollingFigures {
  /** Opened in all. */
  opened: number
  /** Ended because their server asked for it, and replaced. */
  drained: number
  /** Reset, or ended by the other side without being told. */
  reset: number
  /** Could not be opened. */
  refused: number
  /** Did not answer when asked a last time. */
  silent: number
}

const { host, port, amount: count } = clientArguments()
/** Each connection is asked so often; in between it is idle. */
const askEveryMs = 5_000
const turns = 50
const opensAtOnce = 200
const retryMs = 100
const figures: RollingFigures = { opened: 0, drained: 0, reset: 0, refused: 0, silent: 0 }
const alive = new Map<Socket, { answers: number }>()
let isOver = false

function open(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true })
    const state = { answers: 0 }
    let isDrained = false
    socket.on('connect', () => {
      figures.opened += 1
      alive.set(socket, state)
      resolve()
    })
    socket.on('data', (data) => {
      if (data.includes(0x70)) state.answers += 1
      if (!data.includes(0x64) || isDrained) return
      isDrained = true
      figures.drained += 1
      socket.end()
      void open()
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      const wasOpen = alive.delete(socket)
      if (isOver || isDrained) return
      if (wasOpen) figures.reset += 1
      else figures.refused += 1
      void sleep(retryMs).then(open).then(resolve)
    })
  })
}

for (let done = 0; done < count; done += opensAtOnce)
  await Promise.all(Array.from({ length: Math.min(opensAtOnce, count - done) }, open))
process.stdout.write('ready\n')

let turn = 0
const asking = setInterval(() => {
  let index = 0
  for (const socket of alive.keys()) if (index++ % turns === turn % turns) socket.write('p')
  turn += 1
}, askEveryMs / turns)

process.once('SIGTERM', () => void finish())

async function finish(): Promise<void> {
  clearInterval(asking)
  await sleep(1_000)
  const before = new Map([...alive].map(([socket, { answers }]) => [socket, answers]))
  for (const socket of alive.keys()) socket.write('p')
  for (let waitedMs = 0; waitedMs < askEveryMs && silent(before) > 0; waitedMs += retryMs) await sleep(retryMs)
  figures.silent = silent(before) + Math.max(0, count - alive.size)
  isOver = true
  process.stdout.write(JSON.stringify(figures), () => process.exit(0))
}

function silent(before: ReadonlyMap<Socket, number>): number {
  return [...before].filter(([socket, answers]) => alive.get(socket)?.answers === answers).length
}
