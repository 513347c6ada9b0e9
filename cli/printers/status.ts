import type { ClusterStatus } from '../../src/local/cluster.ts'
import { UsageError } from '../command.ts'
import { printTable } from './table.ts'

/** `stormo status`: JSON for programs, else a line about the leader, a table of the members, and what is wrong with them. */
export function printStatus(status: ClusterStatus, output: string | undefined): string {
  if (output === 'json') return JSON.stringify(agreedFields(status)) + '\n'
  if (output !== undefined)
    throw new UsageError(
      `unable to match a printer suitable for the output format "${output}", allowed formats are: json`,
    )
  const rows = status.nodes.map((node) => [
    node.name,
    node.ready ? 'Ready' : 'NotReady',
    node.voter ? 'voter' : 'learner',
    String(node.term),
    known(node.lagMs, (ms) => `${ms}ms`),
    known(node.replica?.documents, String),
    known(node.replica?.appliedIndex, String),
    known(node.replica?.sinceSyncMs, (ms) => `${Math.round(ms / 1000)}s`),
    known(node.replica?.diskBytes, (bytes) => `${(bytes / 2 ** 20).toFixed(1)}Mi`),
  ])
  const faults = status.nodes.flatMap(({ name, replica }) =>
    replica?.diskFault ? [`${name} refuses writes, its disk does not take them: ${replica.diskFault}`] : [],
  )
  const refusals = (status.refusals ?? []).map((refusal) => `Not replicated: ${refusal}`)
  const warnings = [...faults, ...refusals].map((line) => `\n${line}\n`)
  return `Leader: ${status.leader ?? '<none>'}   Term: ${status.term}\n\n${printTable(columns, rows)}${warnings.join('')}`
}

const columns = ['NAME', 'STATUS', 'ROLE', 'TERM', 'LAG', 'DOCUMENTS', 'APPLIED', 'LAST SYNC', 'DISK']

const known = (value: number | null | undefined, text: (value: number) => string): string =>
  value === null || value === undefined ? '<unknown>' : text(value)

/** Exactly what programs are promised, whatever else a newer server says. */
const agreedFields = ({ leader, term, nodes, refusals }: ClusterStatus): ClusterStatus => ({
  leader,
  term,
  nodes: nodes.map(({ name, ready, voter, term: nodeTerm, lagMs, replica }) => ({
    name,
    ready,
    voter,
    term: nodeTerm,
    lagMs,
    ...(replica === undefined ? {} : { replica }),
  })),
  ...(refusals === undefined ? {} : { refusals }),
})
