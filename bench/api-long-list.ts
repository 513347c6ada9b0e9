import type { RestClient } from '../src/client/rest-client.ts'
import type { BenchOptions, Row } from './bench.ts'
import { load } from './support/load.ts'

const namespace = 'bench-pods'
const podCount = 5_000
const creators = 16
const callers = 2

/** Pods that no scheduler looks after, so that none of them runs. */
const pod = (number: number) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `pod-${number}`, namespace, labels: { app: `app-${number % 100}` } },
  spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'app:1' }] },
})

/** Lists of all pods of a namespace, as a client reads them that begins to watch. */
export async function measureLongList(client: RestClient, options: BenchOptions): Promise<Row[]> {
  const { signal, progress, durationMs } = options
  const path = `/api/v1/namespaces/${namespace}/pods`
  progress(`API: ${podCount} pods`)
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  await client.send({ method: 'POST', path: '/api/v1/namespaces', body })
  try {
    let next = 0
    const create = async (): Promise<void> => {
      for (let number = next++; number < podCount; number = next++)
        await client.send({ method: 'POST', path, body: pod(number), signal })
    }
    await Promise.all(Array.from({ length: creators }, create))
    progress('API: lists of all of them')
    let bytes = 0
    const list = await load({ workers: callers, durationMs, signal }, async () => {
      bytes = (await client.send({ path, signal })).text.length
    })
    const { perSecond, p50Ms, p99Ms } = list
    const size = `${(bytes / 1e6).toFixed(1)} MB`
    return [
      { what: `list of ${podCount} pods, ${size}, ${callers} callers`, value: perSecond, unit: '/s', p50Ms, p99Ms },
    ]
  } finally {
    await client.send({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` })
  }
}
