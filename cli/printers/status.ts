import type { ClusterStatus } from '../../src/local/cluster.ts'
import { UsageError } from '../command.ts'
import { printTable } from './table.ts'

/** `stormo status`: JSON for programs, else a line about the leader and a table of the members. */
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
    node.lagMs === null ? '<unknown>' : `${node.lagMs}ms`,
  ])
  return `Leader: ${status.leader ?? '<none>'}   Term: ${status.term}\n\n${printTable(['NAME', 'STATUS', 'ROLE', 'TERM', 'LAG'], rows)}`
}

/** Exactly what programs are promised, whatever else a newer server says. */
const agreedFields = ({ leader, term, nodes }: ClusterStatus): ClusterStatus => ({
  leader,
  term,
  nodes: nodes.map(({ name, ready, voter, term: nodeTerm, lagMs }) => ({ name, ready, voter, term: nodeTerm, lagMs })),
})
