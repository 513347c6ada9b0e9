import { spawn } from 'node:child_process'
import { type CommandDefinition, UsageError } from '../command.ts'
import { findKubeconfig } from '../connection.ts'

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
    const env = { ...io.env, KUBECONFIG: findKubeconfig(invocation) }
    return await new Promise<number>((resolve, reject) => {
      const child = spawn('kubectl', [...words], { stdio: 'inherit', env })
      child.on('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ENOENT' ? new UsageError('there is no kubectl on the PATH') : error),
      )
      child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)))
    })
  },
}
