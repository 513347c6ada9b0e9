import type { Pod } from '../../src/api/kinds.ts'
import { execOk } from '../../src/lib/exec.ts'
import type { LocalNode } from '../../src/local/layout.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { benchImage, docker, type RunningCluster } from '../support/bench-cluster.ts'
import { until } from '../support/load.ts'
import { measureBackends } from './backends.ts'
import { measureDns } from './dns.ts'
import { measureFirstPackets } from './first-packets.ts'
import { measureDoors } from './doors.ts'
import { measureInTurn, pathPort, type Rounds, rowsOf, startServer } from './paths.ts'
import { measureRollingUpdate } from './rolling-update.ts'
import { measureRuleUpdates } from './rules.ts'

const serviceName = 'bench-network'
/**
 * The way of the data, as programs of this host that stand in the network namespaces of pods see it: direct on one
 * node, through a Service, to another node. Node.js at both ends sets the pace; the ratios are what counts.
 */
export const networkBench: Bench = {
  name: 'network',
  summary: 'TCP between pods: one node, by ClusterIP, to another node; NodePort and Ingress; rule updates; DNS',
  needsRoot: true,
  async run(options) {
    const running = await options.cluster.get()
    const client = await startPod(running, 0, 'bench-client', options)
    const near = await startPod(running, 0, 'bench-near', options)
    const far = await startPod(running, 1, 'bench-far', options)
    const stops = [near, far].map((pod) => startServer(inPod(pod)))
    try {
      const ways = [
        near.address,
        await exposePod(running, 'bench-near', options),
        far.address,
        await exposePod(running, 'bench-far', options),
      ]
      const [direct, viaNear, across, viaFar] = (await measureInTurn(
        ways.map((address) => ({ enter: inPod(client), address })),
        options,
      )) as [Rounds, Rounds, Rounds, Rounds]
      return [
        ...rowsOf('same node', direct),
        ...rowsOf('same node by ClusterIP', viaNear, { what: 'direct', rounds: direct }, 0.95),
        ...rowsOf('other node', across, { what: 'same node', rounds: direct }),
        ...rowsOf('other node by ClusterIP', viaFar, { what: 'other node', rounds: across }, 0.95),
        ...(await measureBackends(options)),
        ...(await measureDoors(options)),
        ...(await measureRuleUpdates(options)),
        ...(await measureFirstPackets(options)),
        ...(await measureRollingUpdate(options)),
        ...(await measureDns(options)),
      ]
    } finally {
      await Promise.all(stops.map((stop) => stop()))
    }
  },
}

const inPod = ({ pid }: { pid: number }): string[] => ['nsenter', '-t', String(pid), '-n']

/** A pod on the given node; the host's process id of its sandbox, by which its network namespace is entered. */
async function startPod(running: RunningCluster, nodeIndex: number, name: string, { signal }: BenchOptions) {
  const node = running.nodes[nodeIndex]!
  const client = running.client(0)
  const path = '/api/v1/namespaces/default/pods'
  const body: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { 'bench.stormo.dev/pod': name } },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node.name },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: benchImage, command: ['sleep', '100000'] }],
    },
  }
  await client.send({ method: 'POST', path, body, signal })
  const pod = await until(`pod ${name}`, { timeoutMs: 60_000, everyMs: 100, signal }, async () => {
    const found = await client.json<Pod>({ path: `${path}/${name}`, signal })
    const isReady = found.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
    return isReady ? found : undefined
  })
  const id = pod.status?.containerStatuses?.[0]?.containerID?.replace(/^docker:\/\//, '') ?? ''
  return { address: pod.status?.podIP ?? '', pid: await hostPid(node, id) }
}

/** Docker tells the process id as its own namespace counts; the host's is the one with the same cgroup path. */
async function hostPid(node: LocalNode, containerId: string): Promise<number> {
  const inside = (await docker(node, ['inspect', '--format', '{{.State.Pid}}', containerId])).trim()
  const found = await execOk('sh', ['-c', 'grep -l "$1" /proc/[0-9]*/cgroup 2>/dev/null || true', 'sh', containerId])
  const pid = /\/proc\/(\d+)\//.exec(found)?.[1]
  if (pid === undefined) throw new Error(`process ${inside} of container ${containerId} is not to be found`)
  return Number(pid)
}

/** Points the bench's Service to a pod; resolves with its address once the way is there. */
async function exposePod(running: RunningCluster, pod: string, { signal }: BenchOptions): Promise<string> {
  const client = running.client(0)
  const path = '/api/v1/namespaces/default/services'
  const name = `${serviceName}-${pod}`
  const body = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { 'bench.stormo.dev/pod': pod }, ports: [{ port: pathPort }] },
  }
  const service = await client.json<{ spec: { clusterIP: string } }>({ method: 'POST', path, body, signal })
  return service.spec.clusterIP
}
