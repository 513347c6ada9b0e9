import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Service } from '../../lib/service.ts'
import { answerCall, rpcCodes, serveRpcs, type RpcServer } from '../plugins/serve.ts'
import { deviceApiVersion, registerDevicePlugin, type RegisterRequest } from './device-api.ts'

export interface RegistrationServerOptions {
  readonly directory: string
  readonly register: (request: RegisterRequest) => Promise<void>
}

/** Name of a resource that a plugin may offer: of a domain that is not Kubernetes' own. */
const extended = /^(?!(?:[a-z0-9.-]*\.)?kubernetes\.io\/)[a-z0-9.-]+\/[A-Za-z0-9._-]+$/

/**
 * Takes the registrations of device plugins at `kubelet.sock`. Sockets that are there from before are removed when it
 * starts: that is how plugins notice a new kubelet and register again.
 */
export function createRegistrationServer({ directory, register }: RegistrationServerOptions): Service {
  const path = join(directory, 'kubelet.sock')

  async function take(request: RegisterRequest): Promise<void> {
    if (request.version !== deviceApiVersion) {
      throw new Error(
        `requested API version ${JSON.stringify(request.version)} is not supported by kubelet. Supported version is ["${deviceApiVersion}"]`,
      )
    }
    if (!extended.test(request.resourceName)) {
      throw new Error(`the ResourceName ${JSON.stringify(request.resourceName)} is invalid`)
    }
    if (request.endpoint === '' || request.endpoint.includes('/')) {
      throw new Error(`the endpoint ${JSON.stringify(request.endpoint)} is no name of a socket in ${directory}`)
    }
    await register(request)
  }

  const handlers = {
    register: answerCall(async (request: RegisterRequest) => {
      await take(request)
      return {}
    }, rpcCodes.invalidArgument),
  }
  let server: RpcServer | undefined

  return {
    async start() {
      await mkdir(directory, { recursive: true, mode: 0o750 })
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (entry.isSocket()) await rm(join(directory, entry.name), { force: true })
      }
      server = await serveRpcs({ register: registerDevicePlugin as never }, handlers, path)
    },
    async stop() {
      await server?.stop()
    },
  }
}
