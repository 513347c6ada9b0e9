import { isStatus } from '../../src/api/status-error.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { quantityMilliValue, quantityValue } from '../../src/lib/quantity.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { printTable } from '../printers/table.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'

interface Usage {
  cpu: string
  memory: string
}

interface NodeMetrics {
  metadata: { name: string }
  usage: Usage
}

interface PodMetrics {
  metadata: { name: string; namespace: string }
  containers: { name: string; usage: Usage }[]
}

/** The metrics API is served by whoever is registered for it; without one there is nothing to print. */
async function metrics<T>(client: RestClient, path: string, query: Record<string, string | undefined>): Promise<T[]> {
  try {
    const url = `/apis/metrics.k8s.io/v1beta1/${path}`
    const answer = await client.json<T & { items?: T[] }>({ path: url, query })
    return answer.items ?? [answer]
  } catch (error) {
    if ((isStatus(error, 'NotFound') && !/"/.test(error.message)) || isStatus(error, 'ServiceUnavailable'))
      throw new UsageError('Metrics API not available')
    throw error
  }
}

const mebi = 1024 * 1024
const cpuText = (milli: number): string => `${milli}m`
const memoryText = (bytes: number): string => `${Math.trunc(bytes / mebi)}Mi`

const sortOption = { flags: '--sort-by <what>', summary: 'cpu or memory' }
const headerOption = { flags: '--no-headers', summary: 'leave the header out' }
const protocolOption = { flags: '--use-protocol-buffers', summary: 'accepted; JSON is asked for', hidden: true }
const selectorOption = { flags: '-l, --selector <selector>', summary: 'only those with these labels' }

interface Row {
  cells: string[]
  cpu: number
  memory: number
}

function print(invocation: Invocation, header: readonly string[], rows: readonly Row[], withSum = false): void {
  const by = option.text(invocation, 'sortBy')
  if (by !== undefined && by !== 'cpu' && by !== 'memory') throw new UsageError('--sort-by accepts only cpu or memory')
  const sorted = by === undefined ? rows : rows.toSorted((a, b) => b[by] - a[by])
  invocation.io.out(
    printTable(invocation.options['headers'] === false ? [] : header, [
      ...sorted.map(({ cells }) => cells),
      ...(withSum ? sumLines(header.length, rows) : []),
    ]),
  )
}

/** A line under the columns of numbers, and their sums. */
function sumLines(columns: number, rows: readonly Row[]): string[][] {
  const empty = Array.from({ length: columns - 2 }, () => '')
  const sum = (of: 'cpu' | 'memory'): number => rows.reduce((total, row) => total + row[of], 0)
  return [
    [...empty, '________', '________'],
    [...empty, cpuText(sum('cpu')), memoryText(sum('memory'))],
  ]
}

async function topNodes(invocation: Invocation, client: RestClient): Promise<void> {
  const [name] = invocation.args
  const labelSelector = option.text(invocation, 'selector')
  const found = await metrics<NodeMetrics>(client, name ? `nodes/${name}` : 'nodes', { labelSelector })
  const { items } = await client.json<{
    items: {
      metadata: { name: string }
      status?: { allocatable?: Record<string, string>; capacity?: Record<string, string> }
    }[]
  }>({ path: '/api/v1/nodes' })
  const rows = found.map(({ metadata, usage }): Row => {
    const { allocatable, capacity } = items.find((node) => node.metadata.name === metadata.name)?.status ?? {}
    const whole = (option.flag(invocation, 'showCapacity') ? capacity : allocatable) ?? {}
    const cpu = quantityMilliValue(usage.cpu)
    const memory = quantityValue(usage.memory)
    const percent = (used: number, of: number): string => (of > 0 ? `${Math.trunc((used / of) * 100)}%` : '<unknown>')
    const cells = [
      metadata.name,
      cpuText(cpu),
      percent(cpu, quantityMilliValue(whole['cpu'] ?? '0')),
      memoryText(memory),
      percent(memory, quantityValue(whole['memory'] ?? '0')),
    ]
    return { cells, cpu, memory }
  })
  print(invocation, ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'], rows)
}

async function topPods(invocation: Invocation, client: RestClient): Promise<void> {
  const [name] = invocation.args
  const all = option.flag(invocation, 'allNamespaces')
  const scope = all ? '' : `namespaces/${namespaceOf(invocation, client)}/`
  const labelSelector = option.text(invocation, 'selector')
  const fieldSelector = option.text(invocation, 'fieldSelector')
  const found = await metrics<PodMetrics>(client, `${scope}pods${name ? `/${name}` : ''}`, {
    labelSelector,
    fieldSelector,
  })
  const byContainer = option.flag(invocation, 'containers')
  const inOrder = found.toSorted((a, b) =>
    `${a.metadata.namespace} ${a.metadata.name}` < `${b.metadata.namespace} ${b.metadata.name}` ? -1 : 1,
  )
  const rows = inOrder.flatMap(({ metadata, containers }) => {
    const own = containers.map((one) => ({
      name: one.name,
      cpu: quantityMilliValue(one.usage.cpu),
      memory: quantityValue(one.usage.memory),
    }))
    const total = own.reduce((sum, one) => ({ cpu: sum.cpu + one.cpu, memory: sum.memory + one.memory }), {
      cpu: 0,
      memory: 0,
    })
    const lines = byContainer ? own : [{ name: '', ...total }]
    return lines.map((one): Row => ({
      cells: [
        ...(all ? [metadata.namespace] : []),
        metadata.name,
        ...(byContainer ? [one.name] : []),
        cpuText(one.cpu),
        memoryText(one.memory),
      ],
      cpu: one.cpu,
      memory: one.memory,
    }))
  })
  const header = [
    ...(all ? ['NAMESPACE'] : []),
    ...(byContainer ? ['POD', 'NAME'] : ['NAME']),
    'CPU(cores)',
    'MEMORY(bytes)',
  ]
  print(invocation, header, rows, option.flag(invocation, 'sum'))
}

export const topCommand: CommandDefinition = {
  name: 'top',
  summary: 'What nodes and pods use (needs the metrics API)',
  commands: [
    {
      name: 'nodes',
      aliases: ['node', 'no'],
      arguments: '[name]',
      summary: 'Processor and memory of nodes',
      options: [
        ...connectionOptions,
        sortOption,
        headerOption,
        selectorOption,
        protocolOption,
        { flags: '--show-capacity', summary: 'percent of the capacity, not of what pods may have' },
      ],
      run: (invocation) => withClient(invocation, (client) => topNodes(invocation, client)),
    },
    {
      name: 'pods',
      aliases: ['pod', 'po'],
      arguments: '[name]',
      summary: 'Processor and memory of pods',
      options: [
        ...namespaceOptions,
        { flags: '-A, --all-namespaces', summary: 'pods of all namespaces' },
        { flags: '--containers', summary: 'each container' },
        { flags: '--sum', summary: 'and the sum of all' },
        { flags: '--field-selector <selector>', summary: 'only those with these fields' },
        protocolOption,
        sortOption,
        headerOption,
        selectorOption,
      ],
      run: (invocation) => withClient(invocation, (client) => topPods(invocation, client)),
    },
  ],
}
