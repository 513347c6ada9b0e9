import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Deployment, Pod } from '../../src/api/kinds.ts'
import { refs } from '../../src/client/client.ts'
import type { Row } from '../bench.ts'
import { machineFacts } from '../support/machine-facts.ts'
import { printRows } from '../support/table.ts'
import { createFleet } from './fleet.ts'
import { startMachine, type Machine } from './machine.ts'

/*
 * A large cluster on one machine: npx node bench/scale/main.ts [--nodes 1000] [--pods 30000] [--deployments 100]
 * [--phases update,kill]: what comes after all pods were made, in this order.
 * Everything but containers, disk and network is production code. Waiting costs nothing here, so that each phase takes as
 * long as its work; beside it stands how long it takes by the cluster's own clock, start-ups and rates of eviction included.
 */
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '30000' },
    deployments: { type: 'string', default: '100' },
    phases: { type: 'string', default: 'update,kill' },
  },
})
const [nodeCount, podCount, deploymentCount] = [values.nodes, values.pods, values.deployments].map(Number) as [
  number,
  number,
  number,
]
const replicas = Math.round(podCount / deploymentCount)

/** By the cluster's clock: at 0.1 nodes a second, half of a thousand nodes alone take 83 minutes. */
const limitMs = 4 * 3_600_000
/** How often is looked whether it is done, by the cluster's clock. */
const lookMs = 1000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const heapMb = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed / 1e6
}

const rows: Row[] = []

/** Measures until every Deployment has all of its replicas, of the last template and available, and no other pod is left. */
async function phase(what: string, { time, informers }: Machine, begin: () => Promise<unknown>): Promise<void> {
  const [startMs, cpuBefore, simulatedMs] = [performance.now(), process.cpuUsage(), time.nowMs]
  let isBegun = false
  let peakMb = 0
  void begin().then(() => (isBegun = true))
  const isDone = (): boolean => {
    peakMb = Math.max(peakMb, process.memoryUsage().rss / 1e6)
    if (!isBegun) return false
    const deployments = informers.for<Deployment>(refs.deployments).list()
    const areComplete = deployments.every(
      ({ metadata, status = {} }) =>
        status.observedGeneration === metadata.generation &&
        status.replicas === replicas &&
        status.updatedReplicas === replicas &&
        status.availableReplicas === replicas,
    )
    if (!areComplete) return false
    const pods = informers.for<Pod>(refs.pods).list()
    return pods.filter(({ spec }) => !fleet.isDead(spec?.nodeName)).length === replicas * deploymentCount
  }
  if (!(await time.until(isDone, limitMs, lookMs)))
    throw new Error(`${what}: not within ${limitMs / 60_000} minutes: ${standing(informers)}`)
  const { user, system } = process.cpuUsage(cpuBefore)
  const name = (more: string): string => `${what}${more}`
  rows.push(
    { what: name(''), value: (performance.now() - startMs) / 1000, unit: 's' },
    { what: name(': processor'), value: (user + system) / 1e6, unit: 's' },
    { what: name(': processor a pod'), value: (user + system) / 1e3 / podCount, unit: 'ms' },
    { what: name(": the cluster's own clock"), value: (time.nowMs - simulatedMs) / 1000, unit: 's' },
    { what: name(': resident at most'), value: peakMb, unit: 'MB' },
    { what: name(': heap afterwards'), value: heapMb(), unit: 'MB' },
  )
  console.error(`  … ${what}: ${((performance.now() - startMs) / 1000).toFixed(0)} s`)
}

/** How far it came, for who has to find out why it came no further. */
function standing(informers: Machine['informers']): string {
  const pods = informers.for<Pod>(refs.pods).list()
  const count = (what: string, is: (pod: Pod) => boolean): string => `${pods.filter(is).length} ${what}`
  const waiting = pods.find(({ spec }) => !spec?.nodeName)?.status?.conditions?.[0]?.message
  return [
    `of ${pods.length} pods`,
    count('have a node', ({ spec }) => spec?.nodeName !== undefined),
    count('run', ({ status }) => status?.phase === 'Running'),
    count('end', ({ metadata }) => metadata.deletionTimestamp !== undefined),
    ...(waiting ? [`one waits: ${waiting}`] : []),
  ].join(', ')
}

const labelsOf = (index: number) => ({ app: `app-${index}` })
const containersOf = (image: string) => [
  { name: 'main', image, resources: { requests: { cpu: '100m', memory: '64Mi' } } },
]

async function deploy({ client }: Machine): Promise<void> {
  for (let index = 0; index < deploymentCount; index++) {
    const labels = labelsOf(index)
    const metadata = { name: `app-${index}`, namespace: 'default' }
    await client.create(refs.services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports: [{ port: 80 }] },
    } as never)
    await client.create(refs.deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: containersOf('app:1') } },
      },
    } as never)
  }
}

async function update({ client }: Machine): Promise<void> {
  for (let index = 0; index < deploymentCount; index++)
    await client.mutate<Deployment>(refs.deployments, 'default', `app-${index}`, (one) => {
      one.spec!.template.spec!.containers = containersOf('app:2')
      return one
    })
}

console.log(await machineFacts())
const machine = await startMachine()
const fleet = createFleet(machine, nodeCount)
let isRegistered = false
void fleet.register().then(() => (isRegistered = true))
await machine.time.until(() => isRegistered, limitMs, lookMs)
await phase(`empty → ${podCount} pods`, machine, () => deploy(machine))
const later: Record<string, () => Promise<void>> = {
  update: () => phase('a rolling update of all', machine, () => update(machine)),
  kill: () =>
    phase(`half of ${nodeCount} nodes killed`, machine, async () => fleet.kill(fleet.names.slice(0, nodeCount / 2))),
}
for (const name of values.phases.split(',').filter(Boolean)) {
  const run = later[name]
  if (!run) throw new Error(`no phase ${JSON.stringify(name)}: there are ${Object.keys(later).join(', ')}`)
  await run()
}
machine.stop()
console.log(
  printRows(`scale: ${nodeCount} nodes, ${podCount} pods in ${deploymentCount} Deployments with Services`, rows),
)
process.exit(0)
