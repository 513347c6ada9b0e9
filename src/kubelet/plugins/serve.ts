import { Server, ServerCredentials, status, type handleUnaryCall, type ServiceDefinition } from '@grpc/grpc-js'
import type { Rpc } from './rpc.ts'

/** Answers a call by a promise: what it throws becomes the words of the error. */
export function answerCall<Request extends object, Answer>(
  answer: (request: Request) => Promise<Answer>,
  code: status = status.INTERNAL,
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

/** A server of these calls, by the name of their handler; it listens nowhere yet. */
export function createRpcServer(rpcs: Readonly<Record<string, Rpc<never, never>>>, handlers: object): Server {
  const server = new Server()
  server.addService(rpcs as unknown as ServiceDefinition, handlers as never)
  return server
}

export function listenAt(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure()
    server.bindAsync(`unix:${socketPath}`, credentials, (error) => (error ? reject(error) : resolve()))
  })
}
