import type { Client, MethodDefinition, ServiceError } from '@grpc/grpc-js'
import type { Messages } from './messages.ts'

/** One call of a plugin protocol. */
export type Rpc<Request extends object, Answer> = MethodDefinition<Request, Answer>

export function describeRpc<Request extends object, Answer>(
  messages: Messages,
  path: string,
  request: string,
  answer: string,
  responseStream = false,
): Rpc<Request, Answer> {
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: (value) => messages.encode(request, value),
    requestDeserialize: (data) => messages.decode(request, data) as Request,
    responseSerialize: (value) => messages.encode(answer, value as object),
    responseDeserialize: (data) => messages.decode(answer, data) as Answer,
  }
}

/** A plugin's own words, with the code of gRPC. */
export class PluginError extends Error {
  override name = 'PluginError'
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** A connection to a plugin's socket on this machine. */
export interface PluginConnection {
  call<Request extends object, Answer>(
    rpc: Rpc<Request, Answer>,
    request: Request,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Answer>
  /** Ends by an error when the plugin goes, or by the signal. */
  stream<Request extends object, Answer>(
    rpc: Rpc<Request, Answer>,
    request: Request,
    signal: AbortSignal,
  ): AsyncIterable<Answer>
  close(): void
}

/** gRPC is loaded for the first plugin: it takes 18 MB, and most machines have none. */
async function createClient(socketPath: string): Promise<Client> {
  const grpc = await import('@grpc/grpc-js')
  return new grpc.Client(`unix:${socketPath}`, grpc.credentials.createInsecure(), {
    // A plugin that has come back is found soon.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    // The default is the path, which is no name that a server may be asked for.
    'grpc.default_authority': 'localhost',
  })
}

export function connectPlugin(socketPath: string): PluginConnection {
  const connecting = createClient(socketPath)
  return {
    async call(rpc, request, timeoutMs, signal) {
      const client = await connecting
      signal?.throwIfAborted()
      return new Promise((resolve, reject) => {
        const cancel = (): void => call.cancel()
        const call = client.makeUnaryRequest(
          rpc.path,
          rpc.requestSerialize,
          rpc.responseDeserialize,
          request,
          // A number is milliseconds since the epoch, on the clock that gRPC itself compares with.
          { deadline: performance.timeOrigin + performance.now() + timeoutMs },
          (error: ServiceError | null, answer) => {
            signal?.removeEventListener('abort', cancel)
            if (error === null && answer !== undefined) resolve(answer)
            else reject(new PluginError(error?.code ?? 2, `rpc error: ${error?.details ?? 'no answer'}`))
          },
        )
        signal?.addEventListener('abort', cancel, { once: true })
      })
    },
    async *stream(rpc, request, signal) {
      const client = await connecting
      const call = client.makeServerStreamRequest(rpc.path, rpc.requestSerialize, rpc.responseDeserialize, request)
      const cancel = (): void => call.cancel()
      signal.addEventListener('abort', cancel, { once: true })
      try {
        for await (const answer of call) yield answer as never
      } finally {
        signal.removeEventListener('abort', cancel)
        call.cancel()
      }
    },
    close: () => void connecting.then((client) => client.close()),
  }
}
