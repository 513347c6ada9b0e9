import type { Bench, BenchOptions } from './bench.ts'
import type { LocalNode } from '../src/local/layout.ts'
import { pauseImageName } from '../src/runtime/pause-image.ts'
import { benchImage, docker, type RunningCluster } from './support/bench-cluster.ts'
import { pause } from './support/load.ts'
import { watchPods } from './support/pod-watch.ts'
import { median, percentile } from './support/statistics.ts'

const namespace = 'default'
const command = ['sleep', '100000']
/** Time for the pool of sandboxes to be filled again: what is measured is a start from the pool. */
const refillMs = 700

/** The start of one pod against the start of the same two containers by hand, on the same Docker daemon. */
export const podsBench: Bench = {
  name: 'pods',
  summary: 'start of a pod on an idle node, one at a time: request to create until Ready',
  needsRoot: true,
  async run(options) {
    const running = await options.cluster.get()
    const node = running.nodes[0]!
    // Alternating, so that whatever else the machine does meets both alike.
    const byHand = await dockerRunner(node)
    const pods: number[] = []
    const plain: number[] = []
    try {
      await podStart(running, options, 'warm-up')
      for (let sample = 0; sample < options.samples; sample++) {
        await pause(refillMs, options.signal)
        pods.push(await podStart(running, options, `start-${sample}`))
        await pause(refillMs, options.signal)
        plain.push(await byHand.run(`plain-${sample}`))
      }
    } finally {
      await byHand.stop()
    }
    return [
      {
        what: 'pod of one container',
        value: median(pods),
        unit: 'ms',
        p50Ms: median(pods),
        p99Ms: percentile(pods, 0.99),
        against: { what: 'docker run, sandbox + app, bridge', value: median(plain) },
        goal: { of: 'ratio', atMost: 0.6 },
      },
    ]
  },
}

/** Milliseconds from the request to the Ready that a client of the same API sees. */
async function podStart(running: RunningCluster, { signal }: BenchOptions, name: string): Promise<number> {
  const client = running.client(0)
  const path = `/api/v1/namespaces/${namespace}/pods`
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': running.nodes[0]!.name },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: benchImage, command }],
    },
  }
  const watch = await watchPods(client, namespace, signal)
  try {
    const ready = watch.ready(name)
    const begin = performance.now()
    await client.send({ method: 'POST', path, body: pod, signal })
    const tookMs = (await ready) - begin
    const gone = watch.gone(name)
    await client.send({ method: 'DELETE', path: `${path}/${name}`, query: { gracePeriodSeconds: '0' }, signal })
    await gone
    return tookMs
  } finally {
    watch.close()
  }
}

/** Starts what a pod consists of with the docker command: a sandbox on a bridge, and a container that joins it. */
async function dockerRunner(node: LocalNode) {
  const network = 'bench-bridge'
  const started: string[] = []
  await docker(node, ['network', 'create', network])
  return {
    async run(name: string): Promise<number> {
      const sandbox = `${name}-sandbox`
      started.push(name, sandbox)
      const begin = performance.now()
      await docker(node, ['run', '--detach', '--name', sandbox, '--network', network, pauseImageName])
      const joined = ['--network', `container:${sandbox}`]
      await docker(node, ['run', '--detach', '--name', name, ...joined, benchImage, ...command])
      const tookMs = performance.now() - begin
      await docker(node, ['rm', '--force', ...started.splice(0)])
      return tookMs
    },
    async stop(): Promise<void> {
      if (started.length > 0) await docker(node, ['rm', '--force', ...started]).catch(() => undefined)
      await docker(node, ['network', 'rm', network]).catch(() => undefined)
    },
  }
}
