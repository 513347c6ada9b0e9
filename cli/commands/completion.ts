import { type CommandDefinition, type Io, UsageError } from '../command.ts'
import { completionScripts } from '../completion/scripts.ts'
import { completions } from '../completion/candidates.ts'

export const completionCommand: CommandDefinition = {
  name: 'completion',
  arguments: '[shell]',
  summary: 'Print the script that completes commands in a shell: bash, zsh, fish or powershell',
  examples: `Examples:
  source <(stormo completion bash)
  stormo completion zsh > "\${fpath[1]}/_stormo"`,
  async run({ args: [shell], io }) {
    const shells = Object.keys(completionScripts)
    if (shell === undefined) throw new UsageError('Shell not specified.')
    const script = completionScripts[shell]
    if (script === undefined) throw new UsageError(`Unsupported shell type "${shell}": ${shells.join(', ')} are known`)
    io.out(script)
  },
}

/** What the scripts ask: one candidate a line for the last of the words. A cluster that does not answer has none. */
export const completeCommand: CommandDefinition = {
  name: '__complete',
  arguments: '[words...]',
  summary: 'Candidates for the last word',
  hidden: true,
  passThrough: true,
  async run({ args, rest, io }: { args: string[]; rest: readonly string[]; io: Io }) {
    for (const candidate of await completions(args.length > 0 ? args : rest, io)) io.out(`${candidate}\n`)
  },
}
