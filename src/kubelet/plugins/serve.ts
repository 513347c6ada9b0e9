import { rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import type { handleUnaryCall, ServiceDefinition } from '@grpc/grpc-js'
import type { Rpc } from './rpc.ts'

/** Codes of gRPC that servers here answer with. */
export const rpcCodes = { invalidArgument: 3, internal: 13 } as const

/** Answers a call by a promise: what it throws becomes the words of the error. */
export function answerCall<Request extends object, Answer>(
  answer: (request: Request) => Promise<Answer>,
  code: number = rpcCodes.internal,
): handleUnaryCall<Request, Answer> {
  return async (call, callback) => {
    let value: Answer
    try {
      value = await answer(call.request)
    } catch (error) {
      callback({ code, details: (error as Error).message })
      return
    }
    callback(null, value)
  }
}

export interface RpcServer {
  /** Ends all connections, and takes the socket away. */
  stop(): Promise<void>
}

/**
 * Serves these calls, by the name of their handler, at a socket. gRPC is loaded when somebody connects: it takes 18 MB,
 * and most machines have no plugins.
 */
export async function serveRpcs(
  rpcs: Readonly<Record<string, Rpc<never, never>>>,
  handlers: object,
  socketPath: string,
): Promise<RpcServer> {
  const sockets = new Set<Socket>()
  let injecting: ReturnType<typeof createInjector> | undefined

  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    injecting ??= createInjector(rpcs, handlers)
    injecting.then(
      (injector) => injector.injectConnection(socket),
      () => socket.destroy(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(socketPath, resolve)
  })
  return {
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await rm(socketPath, { force: true })
    },
  }
}

async function createInjector(rpcs: Readonly<Record<string, Rpc<never, never>>>, handlers: object) {
  const { Server, ServerCredentials } = await import('@grpc/grpc-js')
  const server = new Server()
  server.addService(rpcs as unknown as ServiceDefinition, handlers as never)
  return server.createConnectionInjector(ServerCredentials.createInsecure())
}
