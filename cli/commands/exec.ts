import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { containerOf, podOf, podPath, podTimeoutOption } from '../pods.ts'
import { remoteCommand } from '../remote-command.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'

export const execCommand: CommandDefinition = {
  name: 'exec',
  arguments: '<pod> [command...]',
  summary: 'Run a command in a container',
  options: [
    ...namespaceOptions,
    { flags: '-c, --container <name>', summary: 'container of the pod' },
    { flags: '-i, --stdin', summary: 'pass standard input on' },
    { flags: '-t, --tty', summary: 'standard input is a terminal' },
    { flags: '-q, --quiet', summary: "print only the command's own output" },
    podTimeoutOption,
  ],
  takesRest: true,
  examples: `Examples:
  stormo exec web-0 -- ls /
  stormo exec -it deployment/web -- sh`,
  run: (invocation) => withClient(invocation, (client) => exec(invocation, client)),
}

async function exec(invocation: Invocation, client: RestClient): Promise<number> {
  const { io } = invocation
  const [target = '', ...words] = invocation.args
  const command = [...words, ...invocation.rest]
  if (command.length === 0) throw new UsageError('you must specify at least one command for the container')
  const namespace = namespaceOf(invocation, client)
  const pod = await podOf(client, namespace, target)
  const stdin = option.flag(invocation, 'stdin')
  const isTerminal = io.stdin.isTTY === true
  const tty = option.flag(invocation, 'tty') && stdin && isTerminal
  if (option.flag(invocation, 'tty') && !tty)
    io.err('Unable to use a TTY - input is not a terminal or the right kind of file\n')
  const query = {
    command,
    container: containerOf(pod, option.text(invocation, 'container'), io),
    stdin: String(stdin),
    stdout: 'true',
    stderr: String(!tty),
    tty: String(tty),
  }
  const exitCode = await remoteCommand(
    client,
    { path: podPath(namespace, pod.metadata.name ?? '', 'exec'), query },
    {
      ...(stdin ? { stdin: io.stdin } : {}),
      stdout: io.stdout,
      stderr: io.stderr,
      ...(tty ? { tty: { stdin: io.stdin, stdout: io.stdout } } : {}),
    },
    io.signal,
  )
  if (exitCode !== 0 && !tty && !option.flag(invocation, 'quiet'))
    io.err(`command terminated with exit code ${exitCode}\n`)
  return exitCode
}
