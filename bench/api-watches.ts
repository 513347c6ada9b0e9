import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import type { Connection } from '../src/client/kubeconfig.ts'
import type { BenchOptions, Row } from './bench.ts'
import { processesInside, type RunningCluster } from './support/bench-cluster.ts'
import { pause } from './support/load.ts'
import { megabytes } from './support/process-cost.ts'
import { percentile } from './support/statistics.ts'

const namespace = 'bench-watches'
const watchCount = 1_000
/** As client-go has: a connection carries so many streams. */
const watchesOfConnection = 250
/** Each watch is of one object, so each event is told to so many. */
const objectCount = 100
const eventsPerSecond = 200
const settleMs = 2_000

/** What idle watches cost the node that serves them, and how late events come that it tells to ten of them each. */
export async function measureWatches(running: RunningCluster, options: BenchOptions): Promise<Row[]> {
  const { signal, progress, durationMs } = options
  const client = running.client(0)
  const [agent] = processesInside(running.nodes[0]!, /main\.[jt]s agent/)
  if (agent === undefined) throw new Error('the agent of the first node does not run')
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const send = (method: string, at: string, body: object) => client.send({ method, path: at, body, signal })
  const meta = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } })
  progress(`API: ${watchCount} watches`)
  await send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  for (let number = 0; number < objectCount; number++) await send('POST', path, meta(`told-${number}`))
  const beforeMb = megabytes(agent, 'VmRSS')
  const delaysMs: number[] = []
  const sessions: ClientHttp2Session[] = []
  try {
    for (let number = 0; number < watchCount; number++) {
      if (number % watchesOfConnection === 0) sessions.push(await open(client.connection))
      const query = `watch=true&fieldSelector=metadata.name%3Dtold-${number % objectCount}`
      await watch(sessions.at(-1)!, `${path}?${query}`, (atMs) => delaysMs.push(performance.now() - atMs))
    }
    await pause(settleMs, signal)
    const idleMb = megabytes(agent, 'VmRSS')
    progress(`API: ${eventsPerSecond} events a second`)
    delaysMs.length = 0
    const sent = await writeEvents(durationMs, signal, (number) =>
      client.send({
        method: 'PATCH',
        path: `${path}/told-${number % objectCount}`,
        contentType: 'application/merge-patch+json',
        body: { data: { atMs: String(performance.now()) } },
        signal,
      }),
    )
    await pause(settleMs, signal)
    const perEvent = watchCount / objectCount
    return [
      { what: `memory of ${watchCount} idle watches`, value: idleMb - beforeMb, unit: 'MB' },
      { what: 'resident memory of the node that serves them', value: idleMb, unit: 'MB' },
      {
        what: `events, each to ${perEvent} of them`,
        value: sent.perSecond,
        unit: '/s',
        p50Ms: percentile(delaysMs, 0.5),
        p99Ms: percentile(delaysMs, 0.99),
      },
      {
        what: 'of them not told',
        value: sent.count * perEvent - delaysMs.length,
        unit: '',
        goal: { of: 'value', atMost: 0 },
      },
    ]
  } finally {
    for (const session of sessions) session.destroy()
    await client.send({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` })
  }
}

/** Open loop: one every 1/rate s, however long each takes. */
async function writeEvents(
  durationMs: number,
  signal: AbortSignal,
  write: (number: number) => Promise<unknown>,
): Promise<{ count: number; perSecond: number }> {
  const beginMs = performance.now()
  const writes: Promise<unknown>[] = []
  while (performance.now() - beginMs < durationMs) {
    const due = Math.floor(((performance.now() - beginMs) / 1000) * eventsPerSecond)
    while (writes.length <= due) writes.push(write(writes.length))
    await pause(1000 / eventsPerSecond, signal)
  }
  await Promise.all(writes)
  return { count: writes.length, perSecond: writes.length / ((performance.now() - beginMs) / 1000) }
}

async function open({ server, caPem, certPem, keyPem }: Connection): Promise<ClientHttp2Session> {
  const session = connect(server, { ca: caPem, cert: certPem, key: keyPem })
  await once(session, 'connect')
  return session
}

/** Resolves when the server has answered; from then on calls back with the time that is written in each object. */
async function watch(session: ClientHttp2Session, path: string, onTime: (atMs: number) => void): Promise<void> {
  const stream = session.request({ ':path': path })
  stream.on('error', () => undefined)
  const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }]
  if (headers[':status'] !== 200) throw new Error(`a watch was refused with ${headers[':status']}`)
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = JSON.parse(line) as { type: string; object: { data?: { atMs?: string } } }
      if (event.type === 'MODIFIED' && event.object.data?.atMs) onTime(Number(event.object.data.atMs))
    }
  })
}
