import { delimiter } from 'node:path'
import type { CommandDefinition } from '../command.ts'
import { findKubeconfigs } from '../connection.ts'
import { runProgram } from '../run-program.ts'

export const kubectlCommand: CommandDefinition = {
  name: 'kubectl',
  arguments: '[arguments...]',
  summary: 'Run the kubectl on the PATH with the right kubeconfig',
  passThrough: true,
  examples: `Examples:
  stormo kubectl -- get pods -A`,
  async run(invocation) {
    const { args, rest, io } = invocation
    const words = args.length === 0 ? rest : rest.length === 0 ? args : [...args, '--', ...rest]
    return await runProgram('kubectl', words, { ...io.env, KUBECONFIG: findKubeconfigs(invocation).join(delimiter) })
  },
}
