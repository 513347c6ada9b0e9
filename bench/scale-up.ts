import type { Deployment } from '../src/api/kinds.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { benchImage } from './support/bench-cluster.ts'
import { until } from './support/load.ts'
import { swarmCluster } from './support/swarm-cluster.ts'

const command = ['sleep', '100000']
const timeoutMs = 180_000

/** One replica becomes many, on three machines, by our Deployment and by a Swarm service. */
export const scaleUpBench: Bench = {
  name: 'scale-up',
  summary: 'scale-up of a Deployment on three nodes, until every replica is ready',
  needsRoot: true,
  async run(options) {
    const ours = await scaleDeployment(options)
    // The same machine carries both: the agents must not cost Swarm anything, nor its daemons them.
    await options.cluster.release()
    const swarm = await scaleSwarm(options)
    return [
      {
        what: `1 → ${options.replicas} replicas`,
        value: ours,
        unit: 'ms',
        against: { what: 'Docker Swarm, default bridge', value: swarm.bridge },
        goal: { of: 'ratio', atMost: 1 },
      },
      {
        what: 'the same, with a network across nodes',
        value: ours,
        unit: 'ms',
        against: { what: 'Docker Swarm, overlay', value: swarm.overlay },
        goal: { of: 'ratio', atMost: 1 },
      },
    ]
  },
}

async function scaleDeployment({ cluster, replicas, signal, progress }: BenchOptions): Promise<number> {
  const client = (await cluster.get()).client(0)
  const path = '/apis/apps/v1/namespaces/default/deployments'
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'scale' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'scale' } },
      template: {
        metadata: { labels: { app: 'scale' } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'app', image: benchImage, command }] },
      },
    },
  }
  const ready = (wanted: number): Promise<true> =>
    until(`${wanted} ready replicas`, { timeoutMs, everyMs: 25, signal }, async () => {
      const { status } = await client.json<Deployment>({ path: `${path}/scale`, signal })
      return status?.readyReplicas === wanted ? true : undefined
    })
  progress(`stormo: 1 → ${replicas} replicas`)
  await client.send({ method: 'POST', path, body: deployment, signal })
  await ready(1)
  const begin = performance.now()
  await client.send({
    method: 'PATCH',
    path: `${path}/scale`,
    contentType: 'application/merge-patch+json',
    body: { spec: { replicas } },
    signal,
  })
  await ready(replicas)
  return performance.now() - begin
}

async function scaleSwarm({ scratchDir, cluster, replicas, signal, progress }: BenchOptions) {
  progress('Docker Swarm on three machines…')
  const swarm = await swarmCluster(cluster.settings, scratchDir)
  try {
    const measure = async (name: string, network: string | undefined): Promise<number> => {
      progress(`Swarm, ${network ?? 'default bridge'}: 1 → ${replicas} replicas`)
      await swarm.createService({ name, image: benchImage, command, network })
      const running = (wanted: number): Promise<true> =>
        until(`${wanted} running tasks`, { timeoutMs, everyMs: 25, signal }, async () =>
          (await swarm.runningTasks(name)) === wanted ? true : undefined,
        )
      await running(1)
      const begin = performance.now()
      await swarm.scale(name, replicas)
      await running(replicas)
      const tookMs = performance.now() - begin
      await swarm.removeService(name)
      return tookMs
    }
    const bridge = await measure('scale', undefined)
    await swarm.createOverlay('bench-overlay')
    return { bridge, overlay: await measure('scale-overlay', 'bench-overlay') }
  } finally {
    await swarm.stop()
  }
}
