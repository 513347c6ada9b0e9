import Module, { createRequire } from 'node:module'
import type Docker from 'dockerode'

/**
 * dockerode without what it loads for builds by BuildKit (gRPC, protobuf) and for daemons behind SSH: 25 MB, none of which
 * is used here. Should it be, it fails at once: there is no function.
 */
function load(): typeof Docker {
  const require = createRequire(import.meta.url)
  const dockerode = createRequire(require.resolve('dockerode'))
  const modem = createRequire(dockerode.resolve('docker-modem'))
  for (const id of [dockerode.resolve('./session.js'), modem.resolve('./ssh.js')]) {
    dockerode.cache[id] ??= Object.assign(new Module(id), { loaded: true })
  }
  return require('dockerode') as typeof Docker
}

export const Dockerode = load()
