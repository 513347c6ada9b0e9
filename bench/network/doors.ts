import type { Pod, Service } from '../../src/api/kinds.ts'
import { findProgram } from '../../src/local/prerequisites.ts'
import { runInside } from '../../src/local/machine.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { benchImage } from '../support/bench-cluster.ts'
import { until } from '../support/load.ts'

const namespace = '/api/v1/namespaces/default'
const timeoutMs = 60_000
const connections = 16

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Requests per second by the ways in from outside, against the direct one; each request is a connection of its own to the pod. */
export async function measureDoors(options: BenchOptions): Promise<Row[]> {
  if (findProgram('wrk') === undefined) throw new Error("wrk is missing: install Debian's package wrk")
  const { cluster, signal, progress } = options
  const running = await cluster.get()
  const client = running.client(0)
  const here = running.nodes[0]!
  const post = (path: string, body: object) => client.send({ method: 'POST', path, body, signal })
  await post(`${namespace}/pods`, podOn('near', here.name))
  await post(`${namespace}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'near' },
    spec: { type: 'NodePort', selector: { bench: 'near' }, ports: [{ port: 80, targetPort: 8080 }] },
  })
  await post('/apis/networking.k8s.io/v1/namespaces/default/ingresses', {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'near' },
    spec: { ingressClassName: 'stormo', defaultBackend: { service: { name: 'near', port: { number: 80 } } } },
  })
  const addressOf = (name: string): Promise<string> =>
    until(`pod ${name}`, { timeoutMs, everyMs: 100, signal }, async () => {
      const { status } = await client.json<Pod>({ path: `${namespace}/pods/${name}`, signal })
      const isReady = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')
      return isReady ? status?.podIP : undefined
    })
  const near = await addressOf('near')
  const { spec } = await client.json<Service>({ path: `${namespace}/services/near`, signal })

  const measure = async (what: string, url: string): Promise<Measured> => {
    progress(what)
    const seconds = Math.max(1, Math.round(options.durationMs / 1000))
    const run = (args: string[]) => runInside(here, '/usr/bin', args, { timeoutMs })
    await until(url, { timeoutMs, everyMs: 200, signal }, async () =>
      (await run(['curl', '-sfm2', '-o', '/dev/null', url])).code === 0 ? true : undefined,
    )
    const { stdout, stderr } = await run(['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', url])
    return parseWrk(stdout || stderr)
  }
  const direct = await measure('direct', `http://${near}:8080/`)
  const against = { what: 'direct', value: direct.perSecond }
  const row = (what: string, { perSecond, p50Ms, p99Ms }: Measured): Row => ({
    what,
    value: perSecond,
    unit: '/s',
    p50Ms,
    p99Ms,
    against,
  })
  return [
    row('NodePort, requests', await measure('NodePort', `http://${here.address}:${spec!.ports![0]!.nodePort}/`)),
    row('Ingress, requests', await measure('Ingress', `http://${here.address}/`)),
  ]
}

const podOn = (name: string, nodeName: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { bench: name } },
  spec: {
    nodeName,
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'web',
        image: benchImage,
        command: ['sh', '-c', 'mkdir -p /www && echo ok >/www/index.html && exec httpd -f -p 8080 -h /www'],
        readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      },
    ],
  },
})

const unitsMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 }

/** wrk's own words: `Requests/sec: 123.4`, `50% 1.20ms`. */
function parseWrk(text: string): Measured {
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]
  if (rate === undefined) throw new Error(`wrk said: ${text.trim().slice(-200)}`)
  const latency = (percent: number): number => {
    const [, value = '0', unit = 'ms'] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? []
    return Number(value) * (unitsMs[unit] ?? 1)
  }
  return { perSecond: Number(rate), p50Ms: latency(50), p99Ms: latency(99) }
}
