/** The figures of a node in the form of stats.k8s.io/v1alpha1 Summary: the parts that become metrics. */
export interface NodeFigures {
  node: Use & { nodeName: string }
  pods: (Use & { podRef: PodRef; startTime?: string; containers?: ContainerUse[] })[]
}

interface Use {
  cpu?: { time: string; usageCoreNanoSeconds: number }
  memory?: { time: string; usageBytes: number; workingSetBytes: number; rssBytes: number }
}

interface PodRef {
  name: string
  namespace: string
}

interface ContainerUse extends Use {
  name: string
  startTime?: string
}

interface Family {
  name: string
  type: 'counter' | 'gauge'
  help: string
  samples: string[]
}

/** A kubelet's /metrics/resource, which metrics-server and autoscalers scrape (KEP-1206): one sample a thing, with its time. */
export function resourceMetrics({ node, pods }: NodeFigures): string {
  const all = containersOf(pods)
  const podLabels = ({ podRef }: { podRef: PodRef }) => labels({ namespace: podRef.namespace, pod: podRef.name })
  const ofContainer = ({ pod, one }: OwnedContainer) => labels({ container: one.name, ...pod })
  return text([
    counter('container_cpu_usage_seconds_total', 'CPU time of a container.', all, ofContainer, ({ one }) => cpu(one)),
    gauge('container_memory_working_set_bytes', 'Working set of a container.', all, ofContainer, ({ one }) =>
      workingSet(one),
    ),
    gauge('container_start_time_seconds', 'Start of a container since the Unix epoch.', all, ofContainer, ({ one }) =>
      startOf(one),
    ),
    counter('node_cpu_usage_seconds_total', 'CPU time of the node.', [node], () => '', cpu),
    gauge('node_memory_working_set_bytes', 'Working set of the node.', [node], () => '', workingSet),
    counter('pod_cpu_usage_seconds_total', 'CPU time of a pod.', pods, podLabels, cpu),
    gauge('pod_memory_working_set_bytes', 'Working set of a pod.', pods, podLabels, workingSet),
    gauge(
      'resource_scrape_error',
      '1 when not everything could be measured.',
      [0],
      () => '',
      (value) => ({ value }),
    ),
  ])
}

/** What dashboards read of a kubelet's /metrics/cadvisor: pods and containers, without their cgroup paths and images. */
export function cadvisorMetrics({ pods }: NodeFigures): string {
  const all = containersOf(pods)
  const of = ({ pod, one }: OwnedContainer) => labels({ container: one.name, ...pod })
  const memory = (pick: (use: NonNullable<Use['memory']>) => number) => (owned: OwnedContainer) => {
    const use = owned.one.memory
    return use && { value: pick(use), time: use.time }
  }
  return text([
    counter(
      'container_cpu_usage_seconds_total',
      'CPU time of a container.',
      all,
      ({ pod, one }) => labels({ container: one.name, cpu: 'total', ...pod }),
      ({ one }) => cpu(one),
    ),
    gauge(
      'container_memory_usage_bytes',
      'Memory of a container, caches included.',
      all,
      of,
      memory((use) => use.usageBytes),
    ),
    gauge(
      'container_memory_working_set_bytes',
      'Working set of a container.',
      all,
      of,
      memory((use) => use.workingSetBytes),
    ),
    gauge(
      'container_memory_rss',
      'Anonymous memory of a container.',
      all,
      of,
      memory((use) => use.rssBytes),
    ),
    gauge('container_start_time_seconds', 'Start of a container since the Unix epoch.', all, of, ({ one }) =>
      startOf(one),
    ),
  ])
}

/** What is known of a kubelet itself: what it runs. */
export function kubeletMetrics({ node, pods }: NodeFigures): string {
  const containers = containersOf(pods).length
  const plain = (value: number) => ({ value })
  return text([
    gauge(
      'kubelet_node_name',
      "The node's name. The count is always 1.",
      [1],
      () => labels({ node: node.nodeName }),
      plain,
    ),
    gauge('kubelet_running_pods', 'Pods with a running container.', [pods.length], () => '', plain),
    gauge(
      'kubelet_running_containers',
      'Containers by state.',
      [containers],
      () => labels({ container_state: 'running' }),
      plain,
    ),
  ])
}

interface OwnedContainer {
  pod: { namespace: string; pod: string }
  one: ContainerUse
}

const containersOf = (pods: NodeFigures['pods']): OwnedContainer[] =>
  pods.flatMap(({ podRef, containers = [] }) =>
    containers.map((one) => ({ pod: { namespace: podRef.namespace, pod: podRef.name }, one })),
  )

interface Sample {
  value: number
  /** RFC 3339. */
  time?: string
}

const cpu = ({ cpu: use }: Use): Sample | undefined => use && { value: use.usageCoreNanoSeconds / 1e9, time: use.time }

const workingSet = ({ memory }: Use): Sample | undefined =>
  memory && { value: memory.workingSetBytes, time: memory.time }

const startOf = ({ startTime }: { startTime?: string }): Sample | undefined =>
  startTime === undefined ? undefined : { value: Date.parse(startTime) / 1000 }

type Read<T> = (of: T) => Sample | undefined

function family<T>(
  type: Family['type'],
  name: string,
  help: string,
  things: readonly T[],
  label: (of: T) => string,
  read: Read<T>,
): Family {
  const samples = things.flatMap((thing) => {
    const sample = read(thing)
    if (!sample) return []
    const at = sample.time === undefined ? '' : ` ${Date.parse(sample.time)}`
    return [`${name}${label(thing)} ${sample.value}${at}`]
  })
  return { name, type, help, samples }
}

const counter = <T>(...rest: [string, string, readonly T[], (of: T) => string, Read<T>]) => family('counter', ...rest)
const gauge = <T>(...rest: [string, string, readonly T[], (of: T) => string, Read<T>]) => family('gauge', ...rest)

const labels = (of: Readonly<Record<string, string>>): string =>
  `{${Object.entries(of)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')}}`

const text = (families: readonly Family[]): string =>
  families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.join('\n')}\n`)
    .join('')
