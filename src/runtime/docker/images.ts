import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { parseImageReference } from '../image-reference.ts'
import { RuntimeError, type PullProgress, type RegistryAuth, type RuntimeImage } from '../runtime.ts'
import { asking, askingFor } from './docker-error.ts'
import { observeImage } from './observe.ts'

/** One line of the JSON stream that pull and load answer with. */
interface ProgressLine {
  status?: string
  stream?: string
  id?: string
  progressDetail?: { current?: number; total?: number }
  error?: string
  errorDetail?: { message?: string }
}

export async function inspectImage(
  docker: Docker,
  reference: string,
  signal?: AbortSignal,
): Promise<RuntimeImage | undefined> {
  const info = await askingFor(() =>
    docker.getImage(reference).inspect({ abortSignal: signal } as Docker.ImageInspectOptions),
  )
  return info === undefined ? undefined : observeImage(info)
}

export async function listImages(docker: Docker, signal?: AbortSignal): Promise<RuntimeImage[]> {
  const infos = await asking(() => docker.listImages({ abortSignal: signal }))
  return infos.map((info) => ({
    id: info.Id,
    tags: (info.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
    digests: (info.RepoDigests ?? []).filter((digest) => !digest.startsWith('<none>')),
    sizeBytes: info.Size,
    user: '',
    env: [],
    entrypoint: [],
    command: [],
  }))
}

/** Without a tag Docker would pull every tag of the repository: `latest` is made explicit. */
export async function pullImage(
  docker: Docker,
  reference: string,
  auth: RegistryAuth | undefined,
  onProgress: (progress: PullProgress) => void,
  signal: AbortSignal,
): Promise<RuntimeImage> {
  const parsed = parseImageReference(reference)
  if (parsed === undefined) throw new RuntimeError('invalid', `invalid reference format: ${JSON.stringify(reference)}`)
  const hasTag = parsed.tag !== 'latest' || reference.endsWith(':latest')
  const name = hasTag ? reference : `${reference}:latest`
  const authconfig = auth === undefined ? undefined : dockerAuth(auth)
  const stream = await asking(() => docker.pull(name, { abortSignal: signal, ...(authconfig ? { authconfig } : {}) }))
  for await (const line of progressLines(stream as Readable, signal)) {
    onProgress({
      status: line.status ?? '',
      layer: line.id ?? '',
      currentBytes: line.progressDetail?.current ?? 0,
      totalBytes: line.progressDetail?.total ?? 0,
    })
  }
  const image = await inspectImage(docker, name, signal)
  if (image === undefined) throw new RuntimeError('not-found', `image ${name} is not there after it was pulled`)
  return image
}

const dockerAuth = (auth: RegistryAuth): Record<string, string> => ({
  ...(auth.username === undefined ? {} : { username: auth.username }),
  ...(auth.password === undefined ? {} : { password: auth.password }),
  ...(auth.identityToken === undefined ? {} : { identitytoken: auth.identityToken }),
  ...(auth.registryToken === undefined ? {} : { registrytoken: auth.registryToken }),
  ...(auth.serverAddress === undefined ? {} : { serveraddress: auth.serverAddress }),
})

const loadedPattern = /^Loaded image(?: ID)?: (.+)$/

/** Returns the names (or ids) that the archive held. */
export async function loadArchive(
  docker: Docker,
  archive: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<string[]> {
  const body = Readable.from(archive, { objectMode: false })
  const stream = await asking(() => docker.loadImage(body, { quiet: true, abortSignal: signal }))
  const names: string[] = []
  for await (const line of progressLines(stream as Readable, signal)) {
    for (const text of (line.stream ?? '').split('\n')) {
      const name = loadedPattern.exec(text.trim())?.[1]
      if (name !== undefined) names.push(name)
    }
  }
  if (names.length === 0)
    throw new RuntimeError('invalid', 'the archive holds no image: neither manifest.json nor index.json')
  return names
}

/** The image as an archive that `loadArchive` takes. */
export async function* saveArchive(
  docker: Docker,
  reference: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const stream = (await asking(() => docker.getImage(reference).get())) as Readable
  const abort = (): void => {
    stream.destroy(new Error('aborted'))
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
  } finally {
    signal.removeEventListener('abort', abort)
    stream.destroy()
  }
}

async function* progressLines(stream: Readable, signal: AbortSignal): AsyncGenerator<ProgressLine, void, void> {
  const abort = (): void => {
    stream.destroy(new Error('aborted'))
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    let pending = ''
    stream.setEncoding('utf8')
    for await (const chunk of stream) {
      pending += chunk as string
      const parts = pending.split('\n')
      pending = parts.pop() ?? ''
      for (const part of parts) yield* parseLine(part)
    }
    yield* parseLine(pending)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function* parseLine(text: string): Generator<ProgressLine> {
  if (text.trim() === '') return
  const line = JSON.parse(text) as ProgressLine
  const error = line.errorDetail?.message ?? line.error
  if (error === undefined) yield line
  else throw new RuntimeError(pullErrorKind(error), error)
}

/** A failed pull answers 200 and says so in its stream. */
function pullErrorKind(message: string): RuntimeError['kind'] {
  if (/not found|manifest unknown/.test(message)) return 'not-found'
  return /unauthorized|authentication required|denied/.test(message) ? 'unauthorized' : 'failed'
}
