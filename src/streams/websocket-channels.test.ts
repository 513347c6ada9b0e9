import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { channel } from './channels.ts'
import { webSocketChannels } from './websocket-channels.ts'

let server: WebSocketServer
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
})
afterAll(() => void server.close())

/** What a client hears of a command that says `out`, and what the command hears of `in`. */
async function converse(protocol: string, sends: Buffer | string, status: object) {
  const accepted = once(server, 'connection')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, protocol ? [protocol] : [])
  const heard: (string | Buffer)[] = []
  client.on('message', (data, isBinary) => heard.push(isBinary ? (data as Buffer) : String(data)))
  const closed = once(client, 'close')
  await once(client, 'open')
  const channels = webSocketChannels(((await accepted) as [WebSocket])[0])
  client.send(sends)
  const { value } = await channels.frames[Symbol.asyncIterator]().next()
  await channels.write(channel.stdout, Buffer.from('out'))
  await channels.write(channel.error, Buffer.from(JSON.stringify(status)))
  channels.close()
  await closed
  return { heard, got: value && [value.channel, String(value.data)] }
}

const success = { status: 'Success' }
const failure = { status: 'Failure', message: 'command terminated with exit code 3' }
const of = (number: number, text: string) => Buffer.concat([Buffer.from([number]), Buffer.from(text)])
const in64 = (text: string) => Buffer.from(text).toString('base64')

test.each(['v5.channel.k8s.io', 'v4.channel.k8s.io'])('%s: binary, and a Status ends it', async (protocol) => {
  expect(await converse(protocol, of(0, 'in'), success)).toEqual({
    got: [0, 'in'],
    heard: [of(1, 'out'), of(3, JSON.stringify(success))],
  })
})

test.each(['channel.k8s.io', ''])('"%s": binary; success is silent, a failure is text', async (protocol) => {
  expect(await converse(protocol, of(0, 'in'), success)).toEqual({ got: [0, 'in'], heard: [of(1, 'out')] })
  expect((await converse(protocol, of(0, 'in'), failure)).heard).toEqual([of(1, 'out'), of(3, failure.message)])
})

test('base64: text messages of a digit and the data', async () => {
  expect(await converse('v4.base64.channel.k8s.io', `0${in64('in')}`, success)).toEqual({
    got: [0, 'in'],
    heard: [`1${in64('out')}`, `3${in64(JSON.stringify(success))}`],
  })
  expect((await converse('base64.channel.k8s.io', `0${in64('in')}`, failure)).heard).toEqual([
    `1${in64('out')}`,
    `3${in64(failure.message)}`,
  ])
})
