import { createHash } from 'node:crypto'
import { pack, type Pack } from 'tar-stream'
import type { MachineArchitecture } from './elf.ts'
import { pauseBinary } from './pause-binary.ts'

export const pauseImageName = 'stormo/pause:1'

/** The sandbox image as a `docker save` archive of one layer with one file. The same bytes every time. */
export async function pauseImageArchive(architecture: MachineArchitecture): Promise<Uint8Array> {
  const layer = await tar([{ name: 'pause', mode: 0o755, content: pauseBinary(architecture) }])
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: { Entrypoint: ['/pause'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: 'stormo' }],
    }),
  )
  const configName = `${sha256(config)}.json`
  const layerName = `${sha256(layer)}/layer.tar`
  const manifest = Buffer.from(
    JSON.stringify([{ Config: configName, RepoTags: [pauseImageName], Layers: [layerName] }]),
  )
  return tar([
    { name: configName, mode: 0o644, content: config },
    { name: layerName, mode: 0o644, content: layer },
    { name: 'manifest.json', mode: 0o644, content: manifest },
  ])
}

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

interface TarFile {
  readonly name: string
  readonly mode: number
  readonly content: Uint8Array
}

async function tar(files: readonly TarFile[]): Promise<Uint8Array> {
  const archive: Pack = pack()
  for (const { name, mode, content } of files) {
    archive.entry({ name, mode, mtime: new Date(0), uid: 0, gid: 0 }, Buffer.from(content))
  }
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
