import type { Check } from '../../src/agent/doctor/checks.ts'
import type { DoctorReport } from '../../src/agent/doctor/doctor.ts'
import { type CommandDefinition, option, UsageError } from '../command.ts'
import { connectionOptions, withClient } from '../connection.ts'
import { printTable } from '../printers/table.ts'

export const doctorCommand: CommandDefinition = {
  name: 'doctor',
  summary: 'Have every node examine itself and its way to every other, and print what to do',
  options: [
    ...connectionOptions,
    { flags: '-a, --all', summary: 'also print what is well' },
    { flags: '-o, --output <format>', summary: 'json' },
  ],
  async run(invocation) {
    const output = option.text(invocation, 'output')
    if (output !== undefined && output !== 'json') throw new UsageError(`--output ${output}: allowed formats are: json`)
    const { checks } = await withClient(invocation, (client) =>
      client.json<DoctorReport>({ path: '/stormo/v1/doctor' }),
    )
    invocation.io.out(
      output === 'json'
        ? `${JSON.stringify({ checks }, null, 2)}\n`
        : printChecks(checks, option.flag(invocation, 'all')),
    )
    return checks.some((check) => check.result === 'failed') ? 1 : 0
  },
}

/** What is wrong as a table with the remedies below; a line when all is well. */
export function printChecks(checks: readonly Check[], all: boolean): string {
  const shown = checks.filter((check) => all || check.result !== 'ok')
  const nodes = new Set(checks.map((check) => check.node)).size
  const wrong = checks.filter((check) => check.result !== 'ok')
  const rows = shown.map(({ node, what, result, detail }) => [node, what, result, detail])
  const remedies = [...new Set(wrong.map(({ node, what, remedy }) => `  ${node}, ${what}: ${remedy ?? 'unknown'}`))]
  return [
    ...(rows.length > 0 ? [printTable(['NODE', 'CHECK', 'RESULT', 'DETAIL'], rows)] : []),
    ...(wrong.length > 0
      ? [`What to do:\n${remedies.join('\n')}\n`]
      : [`All well: ${checks.length} checks on ${nodes} node${nodes === 1 ? '' : 's'}.\n`]),
  ].join('\n')
}
