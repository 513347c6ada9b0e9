import { errors } from '../../api/status-error.ts'
import { channelPair } from '../../streams/channel-pair.ts'
import { channel, type Channels } from '../../streams/channels.ts'
import type { NodeAccess, NodeRequest } from '../../streams/node-access.ts'

/**
 * A node whose containers know three programs: `cat` (stdin to stdout), `fail` (exit code 3) and anything else, which
 * prints its arguments. Ports answer one HTTP response; logs are two lines.
 */
export const echoNode: NodeAccess = {
  async open(node, request) {
    if (node !== 'echo') throw errors.notFound({ group: '', resource: 'nodes' }, node)
    const [near, far] = channelPair()
    void serve(request, far).then(
      () => far.close(),
      (error: Error) => far.close(error),
    )
    return near
  },
}

async function serve(request: NodeRequest, channels: Channels): Promise<void> {
  switch (request.kind) {
    case 'stats':
      return channels.write(channel.stdout, Buffer.from('{"node":{"nodeName":"echo"},"pods":[]}'))
    case 'log':
      return channels.write(channel.stdout, Buffer.from(`log of ${request.options.container}\nsecond line\n`))
    case 'systemLog':
      return channels.write(channel.stdout, Buffer.from(`log ${request.path}`))
    case 'exec':
    case 'attach':
      return runProgram(request.kind === 'exec' ? request.command : ['cat'], channels)
    default:
      return answerHttp(channels)
  }
}

async function runProgram([program = '', ...args]: readonly string[], channels: Channels): Promise<void> {
  if (program === 'cat') {
    for await (const frame of channels.frames) {
      if (frame.channel !== channel.stdin) continue
      if (!frame.data) break
      await channels.write(channel.stdout, frame.data)
    }
  } else await channels.write(channel.stdout, Buffer.from(`${args.join(' ')}\n`))
  await channels.write(
    channel.error,
    Buffer.from(JSON.stringify(program === 'fail' ? failure : { metadata: {}, status: 'Success' })),
  )
}

const failure = {
  metadata: {},
  status: 'Failure',
  reason: 'NonZeroExitCode',
  message: 'command terminated with non-zero exit code: exit status 3',
  details: { causes: [{ reason: 'ExitCode', message: '3' }] },
}

async function answerHttp(channels: Channels): Promise<void> {
  let request = ''
  for await (const { channel: number, data } of channels.frames) {
    if (number !== 0 || !data) continue
    request += Buffer.from(data).toString()
    if (request.includes('\r\n\r\n')) break
  }
  const body = `you asked for ${request.split(' ')[1] ?? ''}`
  await channels.write(
    0,
    Buffer.from(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
  )
  await channels.end(0)
}
