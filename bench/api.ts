import type { ConfigMap } from '../src/api/kinds.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { measureLongList } from './api-long-list.ts'
import { measureWatches } from './api-watches.ts'
import type { Bench, BenchOptions, Row } from './bench.ts'
import { startEtcd } from './support/etcd.ts'
import { load, type LoadResult } from './support/load.ts'

const path = '/api/v1/namespaces/default/configmaps'
/** Callers at the same time; RestClient keeps as many connections. */
const workers = 16
const listed = 500

/** Rates of the API over HTTPS on one node of three, and of a bare etcd as the floor under any API. */
export const apiBench: Bench = {
  name: 'api',
  summary: `requests to one node's API over HTTPS, ${workers} callers, ConfigMaps of 1 KB`,
  needsRoot: true,
  async run(options) {
    const running = await options.cluster.get()
    const client = running.client(0)
    const ours = await measureApi(client, options)
    const etcd = await measureEtcd(options)
    return [
      row('create', ours.create, etcd && floor('etcd put', etcd.put)),
      row('update with a resourceVersion', ours.update, etcd && floor('etcd put', etcd.put)),
      row('get', ours.get, etcd && floor('etcd get', etcd.get)),
      row(`list of ${listed}`, ours.list, etcd && floor(`etcd range of ${listed}`, etcd.range)),
      ...(await measureWatches(running, options)),
      ...(await measureLongList(client, options)),
    ]
  },
}

const row = (what: string, result: LoadResult, against?: Row['against']): Row => ({
  what,
  value: result.perSecond,
  unit: '/s',
  p50Ms: result.p50Ms,
  p99Ms: result.p99Ms,
  against,
  goal: { of: 'p99Ms', atMost: 1000 },
})

const floor = (what: string, { perSecond, p50Ms, p99Ms }: LoadResult): Row['against'] => ({
  what: `${what} (p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)} ms)`,
  value: perSecond,
})

const configMap = (name: string, namespace = 'default'): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data: { text: 'x'.repeat(1000) },
})

async function measureApi(client: RestClient, { signal, durationMs, progress }: BenchOptions) {
  const shape = { workers, durationMs, signal }
  const listPath = '/api/v1/namespaces/bench-list/configmaps'
  await client.send({
    method: 'POST',
    path: '/api/v1/namespaces',
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'bench-list' } },
  })
  progress('API: creates')
  const post = (at: string, body: ConfigMap) => client.send({ method: 'POST', path: at, body, signal })
  await load({ ...shape, durationMs: 300 }, (number) => post(path, configMap(`warm-${number}`)))
  const create = await load(shape, (number) => post(path, configMap(`made-${number}`)))

  progress('API: conditional updates')
  const current: ConfigMap[] = []
  for (let worker = 0; worker < workers; worker++)
    current.push(JSON.parse((await post(path, configMap(`own-${worker}`))).text) as ConfigMap)
  const update = await load(shape, async (number, worker) => {
    const object = { ...current[worker]!, data: { text: String(number).padEnd(1000, 'y') } }
    current[worker] = await client.json({
      method: 'PUT',
      path: `${path}/${object.metadata.name}`,
      body: object,
      signal,
    })
  })

  progress('API: gets and lists')
  const get = await load(shape, (number) => client.send({ path: `${path}/made-${number % create.count}`, signal }))
  for (let number = 0; number < listed; number++) await post(listPath, configMap(`listed-${number}`, 'bench-list'))
  const list = await load(shape, () => client.send({ path: listPath, signal }))
  await client.send({ method: 'DELETE', path: '/api/v1/namespaces/bench-list' })
  return { create, update, get, list }
}

async function measureEtcd({ signal, durationMs, progress, scratchDir }: BenchOptions) {
  const etcd = await startEtcd(scratchDir, signal)
  if (typeof etcd === 'string') {
    progress(etcd)
    return undefined
  }
  try {
    progress('etcd: puts, gets, ranges')
    const shape = { workers, durationMs: Math.min(durationMs, 2_000), signal }
    const value = Buffer.alloc(1000, 'x')
    const put = await load(shape, (number) => etcd.put(`made/${number}`, value))
    const get = await load(shape, (number) => etcd.range(`made/${number % put.count}`))
    for (let number = 0; number < listed; number++) await etcd.put(`listed/${number}`, value)
    const range = await load(shape, () => etcd.range('listed/', 'listed0'))
    return { put, get, range }
  } finally {
    await etcd.stop()
  }
}
