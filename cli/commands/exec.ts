import type { WebSocket } from 'ws'
import type { Pod, Status } from '../../src/api/kinds.ts'
import { statusErrorOf } from '../../src/client/rest-client.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { channel } from '../../src/streams/channels.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { pathOf } from '../discovery.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'

const protocol = 'v5.channel.k8s.io'
const closeChannel = 255

export const execCommand: CommandDefinition = {
  name: 'exec',
  arguments: '<pod> [command...]',
  summary: 'Run a command in a container',
  options: [
    ...namespaceOptions,
    { flags: '-c, --container <name>', summary: 'container of the pod' },
    { flags: '-i, --stdin', summary: 'pass standard input on' },
    { flags: '-t, --tty', summary: 'standard input is a terminal' },
  ],
  passThrough: true,
  examples: `Examples:
  stormo exec web-0 -- ls /
  stormo exec -it web-0 -- sh`,
  run: (invocation) => withClient(invocation, (client) => exec(invocation, client)),
}

async function exec(invocation: Invocation, client: RestClient): Promise<number> {
  const [target = '', ...rest] = invocation.args
  const command = rest[0] === '--' ? rest.slice(1) : rest
  if (command.length === 0) throw new UsageError('you must specify at least one command for the container')
  const name = target.replace(/^pods?\//, '')
  const namespace = namespaceOf(invocation, client)
  const podPath = pathOf(
    { group: '', version: 'v1', resource: 'pods', namespaced: true } as Parameters<typeof pathOf>[0],
    namespace,
    name,
  )
  const stdin = option.flag(invocation, 'stdin')
  const tty = option.flag(invocation, 'tty') && invocation.io.stdin.isTTY === true
  if (option.flag(invocation, 'tty') && !tty)
    invocation.io.err('Unable to use a TTY - input is not a terminal or the right kind of file\n')
  const query = {
    command,
    container: option.text(invocation, 'container') ?? (await defaultContainer(invocation, client, podPath)),
    stdin: String(stdin),
    stdout: 'true',
    stderr: String(!tty),
    tty: String(tty),
  }
  const socket = client.webSocket({ path: `${podPath}/exec`, query }, [protocol])
  return await run(invocation, socket, { stdin, tty })
}

async function defaultContainer(
  invocation: Invocation,
  client: RestClient,
  podPath: string,
): Promise<string | undefined> {
  const pod = await client.json<Pod>({ path: podPath })
  const names = (pod.spec?.containers ?? []).map((container) => container.name)
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container']
  const chosen = preferred !== undefined && names.includes(preferred) ? preferred : names[0]
  if (names.length > 1 && chosen !== preferred)
    invocation.io.err(`Defaulted container "${chosen}" out of: ${names.join(', ')}\n`)
  return chosen
}

/** Couples the terminal with the socket until the server has said how the command ended; returns its exit code. */
function run(
  invocation: Invocation,
  socket: WebSocket,
  { stdin, tty }: { stdin: boolean; tty: boolean },
): Promise<number> {
  const { io } = invocation
  return new Promise((resolve, reject) => {
    let ended: Status | undefined
    const send = (number: number, data: Uint8Array | string): void => {
      if (socket.readyState === socket.OPEN) socket.send(Buffer.concat([Buffer.from([number]), Buffer.from(data)]))
    }
    const resize = (): void =>
      send(channel.resize, JSON.stringify({ Width: io.stdout.columns, Height: io.stdout.rows }))
    const onInput = (data: Buffer): void => send(channel.stdin, data)
    const onInputEnd = (): void => {
      if (socket.readyState === socket.OPEN) socket.send(Buffer.from([closeChannel, channel.stdin]))
    }
    const restore = (): void => {
      if (tty) io.stdin.setRawMode(false)
      io.stdout.off('resize', resize)
      io.stdin.off('data', onInput).off('end', onInputEnd)
      io.stdin.pause()
    }
    io.signal.addEventListener('abort', () => socket.close(), { once: true })
    socket.on('open', () => {
      if (tty) {
        io.stdin.setRawMode(true)
        resize()
        io.stdout.on('resize', resize)
      }
      if (stdin) io.stdin.on('data', onInput).on('end', onInputEnd)
    })
    socket.on('unexpected-response', (_request, answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('end', () => reject(statusErrorOf(answer.statusCode ?? 500, text)))
    })
    socket.on('message', (message: Buffer) => {
      const data = message.subarray(1)
      if (message[0] === channel.stdout) io.stdout.write(data)
      else if (message[0] === channel.stderr) process.stderr.write(data)
      else if (message[0] === channel.error) ended = JSON.parse(data.toString('utf8')) as Status
    })
    socket.on('error', (error) => {
      restore()
      reject(error)
    })
    socket.on('close', () => {
      restore()
      if (ended?.status === 'Success') return resolve(0)
      const exitCode = ended?.details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message
      if (exitCode !== undefined) {
        if (!tty) io.err(`command terminated with exit code ${exitCode}\n`)
        return resolve(Number(exitCode))
      }
      reject(new UsageError(ended?.message ?? 'the connection was lost before the command ended'))
    })
  })
}
