import type { Pod } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { containerOf, podOf, podPath, podTimeoutOption } from '../pods.ts'
import { remoteCommand } from '../remote-command.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'

export const attachCommand: CommandDefinition = {
  name: 'attach',
  arguments: '<pod>',
  summary: 'Join the streams of a process that runs in a container',
  options: [
    ...namespaceOptions,
    { flags: '-c, --container <name>', summary: 'container of the pod' },
    { flags: '-i, --stdin', summary: 'pass standard input on' },
    { flags: '-t, --tty', summary: 'standard input is a terminal' },
    { flags: '-q, --quiet', summary: "print only the process' own output" },
    podTimeoutOption,
  ],
  run: (invocation) =>
    withClient(invocation, async (client) => {
      const pod = await podOf(client, namespaceOf(invocation, client), invocation.args[0]!)
      return await attach(invocation, client, pod, option.text(invocation, 'container'))
    }),
}

/** Couples this terminal with the pod's container until its process ends or the user leaves. */
export async function attach(
  invocation: Invocation,
  client: RestClient,
  pod: Pod,
  asked: string | undefined,
): Promise<number> {
  const { io } = invocation
  const { phase } = pod.status ?? {}
  if (phase === 'Succeeded' || phase === 'Failed')
    throw new UsageError(`cannot attach a container in a completed pod; current phase is ${phase}`)
  const name = containerOf(pod, asked, io)
  const container = [...(pod.spec?.containers ?? []), ...(pod.spec?.ephemeralContainers ?? [])].find(
    (one) => one.name === name,
  )
  const stdin = option.flag(invocation, 'stdin')
  if (option.flag(invocation, 'tty') && !container?.tty)
    io.err(`error: Unable to use a TTY - container ${name} did not allocate one\n`)
  const tty = option.flag(invocation, 'tty') && container?.tty === true && stdin && io.stdin.isTTY === true
  if (!option.flag(invocation, 'quiet')) io.err("If you don't see a command prompt, try pressing enter.\n")
  const query = {
    container: name,
    stdin: String(stdin),
    stdout: 'true',
    // A container with a terminal has one stream for both.
    stderr: String(!tty),
    tty: String(tty),
  }
  return await remoteCommand(
    client,
    { path: podPath(pod.metadata.namespace ?? '', pod.metadata.name ?? '', 'attach'), query },
    {
      ...(stdin ? { stdin: io.stdin } : {}),
      stdout: io.stdout,
      stderr: io.stderr,
      ...(tty ? { tty: { stdin: io.stdin, stdout: io.stdout } } : {}),
    },
    io.signal,
  )
}
