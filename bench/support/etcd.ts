import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import { Writer } from 'protobufjs/minimal.js'
import { findProgram } from '../../src/local/prerequisites.ts'
import { until } from './load.ts'

/** One etcd member with its defaults (every write on disk before it is acknowledged). */
export interface Etcd {
  put(key: string, value: Uint8Array): Promise<void>
  /** One key, or all from `key` to before `end`; the answer is received and not decoded. */
  range(key: string, end?: string): Promise<void>
  stop(): Promise<void>
}

const ports = { client: 23_790 + (process.pid % 1000), peer: 24_790 + (process.pid % 1000) }

/** Fields of etcdserverpb.PutRequest and RangeRequest: key 1, value or range_end 2. */
const pair = ([first, second]: readonly [Uint8Array, Uint8Array?]): Buffer => {
  const writer = Writer.create().uint32(10).bytes(first)
  if (second) writer.uint32(18).bytes(second)
  return Buffer.from(writer.finish())
}

const method = (path: string) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: pair,
  requestDeserialize: (bytes: Buffer) => [bytes] as const,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
})

const KeyValueClient = makeGenericClientConstructor(
  { put: method('/etcdserverpb.KV/Put'), range: method('/etcdserverpb.KV/Range') },
  'KV',
)

type Call = (request: readonly [Uint8Array, Uint8Array?], done: (error: Error | null) => void) => void

interface KeyValue {
  put: Call
  range: Call
  close(): void
}

/** Starts etcd on loopback; a line that says what to do where it is not installed. */
export async function startEtcd(scratchDir: string, signal: AbortSignal): Promise<Etcd | string> {
  const program = findProgram('etcd')
  if (!program) return "etcd is missing, so its rates are left out: 'apt-get install etcd-server' brings it"
  const clientUrl = `http://127.0.0.1:${ports.client}`
  const peerUrl = `http://127.0.0.1:${ports.peer}`
  const child = spawn(
    program,
    [
      '--data-dir', join(scratchDir, 'etcd'),
      '--listen-client-urls', clientUrl,
      '--advertise-client-urls', clientUrl,
      '--listen-peer-urls', peerUrl,
      '--initial-advertise-peer-urls', peerUrl,
      '--initial-cluster', `default=${peerUrl}`,
      '--log-level', 'error',
    ], // prettier-ignore
    { stdio: 'ignore', detached: true },
  )
  const ended = once(child, 'exit')
  const client = new KeyValueClient(`127.0.0.1:${ports.client}`, credentials.createInsecure()) as unknown as KeyValue
  const call = (name: 'put' | 'range', first: string, second?: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      client[name]([Buffer.from(first), second], (error) => (error ? reject(error) : resolve()))
    })
  const etcd: Etcd = {
    put: (key, value) => call('put', key, value),
    range: (key, end) => call('range', key, end === undefined ? undefined : Buffer.from(end)),
    async stop() {
      client.close()
      child.kill('SIGKILL')
      await ended
    },
  }
  try {
    await until('etcd', { timeoutMs: 20_000, everyMs: 100, signal }, () =>
      etcd.put('ready', Buffer.alloc(1)).then(
        () => true,
        () => undefined,
      ),
    )
    return etcd
  } catch (error) {
    await etcd.stop()
    throw error
  }
}
