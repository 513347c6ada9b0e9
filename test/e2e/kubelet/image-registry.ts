import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { execOk } from '../../../src/lib/exec.ts'
import type { DockerMachine } from './docker-machine.ts'

/** A registry on this machine that gives one image, and only to whoever knows its password. */
export interface ImageRegistry {
  /** Such as `127.0.0.1:40000`: engines trust those of their own machine. */
  readonly address: string
  readonly image: string
  /** What was asked for without the right password, and with it. */
  readonly counts: { refused: number; served: number }
  close(): Promise<void>
}

const mediaTypes = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
}

const digestOf = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`

interface SavedManifest {
  readonly Config: string
  readonly Layers: readonly string[]
}

/** Serves an image of the engine's by Docker's registry protocol (distribution/spec, pull). */
export async function imageRegistry(machine: DockerMachine, source: string, login: string): Promise<ImageRegistry> {
  const folder = await mkdtemp(join(machine.directory, 'registry-'))
  await machine.docker('save', '-o', join(folder, 'image.tar'), source)
  await execOk('tar', ['-C', folder, '-xf', join(folder, 'image.tar')])
  const [saved] = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as [SavedManifest]
  const blobs = new Map<string, Buffer>()
  const keep = async (path: string, mediaType: string) => {
    const data = await readFile(join(folder, path))
    blobs.set(digestOf(data), data)
    return { mediaType, size: data.length, digest: digestOf(data) }
  }
  const config = await keep(saved.Config, mediaTypes.config)
  const layers = await Promise.all(saved.Layers.map((path) => keep(path, mediaTypes.layer)))
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers }))
  blobs.set(digestOf(manifest), manifest)
  await rm(folder, { recursive: true })
  const counts = { refused: 0, served: 0 }
  const expected = `Basic ${Buffer.from(login).toString('base64')}`

  function answer({ url = '', method, headers }: IncomingMessage, response: ServerResponse): void {
    response.setHeader('docker-distribution-api-version', 'registry/2.0')
    if (headers.authorization !== expected) {
      counts.refused++
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
      return
    }
    const isManifest = url.includes('/manifests/')
    const data = isManifest ? manifest : blobs.get(url.split('/').at(-1) ?? '')
    if (url !== '/v2/' && data === undefined) {
      response.writeHead(404).end()
      return
    }
    counts.served++
    response.writeHead(200, {
      'content-type': isManifest ? mediaTypes.manifest : 'application/octet-stream',
      'content-length': data?.length ?? 0,
      ...(data === undefined ? {} : { 'docker-content-digest': digestOf(data) }),
    })
    response.end(method === 'HEAD' ? undefined : data)
  }

  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    address,
    image: `${address}/team/app:1`,
    counts,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
