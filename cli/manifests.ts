import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { extname, join } from 'node:path'
import type { KubeObject } from '../src/api/object.ts'
import { parseYaml } from '../src/schema/yaml.ts'
import { type Invocation, type Io, option, UsageError } from './command.ts'

/** An object of a manifest and where it stood, for messages. */
export interface Manifest {
  object: KubeObject
  source: string
  /** Keys that its document gives twice, with their lines. */
  duplicates: readonly string[]
}

const maxManifestBytes = 32 * 1024 * 1024
const downloadTimeoutMs = 30_000

const kustomizePrefix = 'kustomize:'

/** What -f and -k name, for {@link readManifests}. */
export function manifestSources(invocation: Invocation): string[] {
  const directory = option.text(invocation, 'kustomize')
  const files = option.list(invocation, 'filename')
  if (directory === undefined) return files
  if (files.length > 0) throw new UsageError('only one of -f or -k can be specified')
  return [`${kustomizePrefix}${directory}`]
}

/** Builds a kustomization with the tool that is at hand: its format is that tool's own. */
async function kustomize(directory: string): Promise<string> {
  for (const [tool, verb] of [
    ['kubectl', 'kustomize'],
    ['kustomize', 'build'],
  ] as const) {
    const built = await new Promise<string | undefined>((resolve, reject) => {
      execFile(tool, [verb, directory], { maxBuffer: maxManifestBytes }, (error, stdout, stderr) => {
        if (!error) resolve(stdout)
        else if (error.code === 'ENOENT') resolve(undefined)
        else reject(new UsageError(stderr.trim() || error.message))
      })
    })
    if (built !== undefined) return built
  }
  throw new UsageError('-k needs kustomize or kubectl on the PATH')
}

/** Reads files, directories, URLs and `-`. Lists are taken apart. Throws UsageError that names the file and the line. */
export async function readManifests(sources: readonly string[], recursive: boolean, io: Io): Promise<Manifest[]> {
  if (sources.length === 0) throw new UsageError('must specify one of -f and -k')
  const manifests: Manifest[] = []
  for (const source of sources) {
    for (const { name, text } of await readTexts(source, recursive, io)) manifests.push(...parseManifest(text, name))
  }
  if (manifests.length === 0) throw new UsageError(`no objects passed: ${sources.join(', ')} holds no manifest`)
  return manifests
}

async function readTexts(source: string, recursive: boolean, io: Io): Promise<{ name: string; text: string }[]> {
  if (source === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of io.stdin as AsyncIterable<Buffer>) chunks.push(chunk)
    return [{ name: 'STDIN', text: Buffer.concat(chunks).toString('utf8') }]
  }
  if (/^https?:\/\//.test(source)) return [{ name: source, text: await download(source) }]
  if (source.startsWith(kustomizePrefix)) {
    const directory = source.slice(kustomizePrefix.length)
    return [{ name: directory, text: await kustomize(directory) }]
  }
  const stat = statSync(source, { throwIfNoEntry: false })
  if (!stat) throw new UsageError(`the path "${source}" does not exist`)
  return filesOf(source, stat.isDirectory(), recursive).map((name) => ({ name, text: readFileSync(name, 'utf8') }))
}

function filesOf(path: string, isDirectory: boolean, recursive: boolean): string[] {
  if (!isDirectory) return [path]
  return readdirSync(path, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name)
      if (entry.isDirectory()) return recursive ? filesOf(child, true, true) : []
      return ['.yaml', '.yml', '.json'].includes(extname(entry.name)) ? [child] : []
    })
}

function download(url: string, redirects = 5): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? httpsGet : httpGet)(url, { timeout: downloadTimeoutMs }, (answer) => {
      const code = answer.statusCode ?? 0
      if (code >= 300 && code < 400 && answer.headers.location && redirects > 0) {
        answer.resume()
        return resolve(download(new URL(answer.headers.location, url).href, redirects - 1))
      }
      if (code !== 200) {
        answer.resume()
        return reject(
          new UsageError(`unable to read URL "${url}", server reported ${code} ${answer.statusMessage ?? ''}`),
        )
      }
      const chunks: Buffer[] = []
      let length = 0
      answer.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > maxManifestBytes)
          request.destroy(new UsageError(`${url} is larger than ${maxManifestBytes} bytes`))
        chunks.push(chunk)
      })
      answer.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    })
    request.on('timeout', () =>
      request.destroy(new UsageError(`no answer from ${url} in ${downloadTimeoutMs / 1000} s`)),
    )
    request.on('error', reject)
  })
}

/** The objects of a file; `duplicates` of keys are told with them, because the object has lost them. */
export function parseManifest(text: string, source: string): Manifest[] {
  // JSON is YAML; documents are parted by lines that begin with three dashes, as kubectl parts them.
  return text.split(/^---(?=\s|$)[^\n]*\n?/m).flatMap((document) => {
    const { value, duplicates } = parseDocument(document, source)
    return value === null || value === undefined ? [] : objectsOf(value, source, duplicates)
  })
}

function parseDocument(text: string, source: string): { value: unknown; duplicates: string[] } {
  try {
    return parseYaml(text)
  } catch (error) {
    throw new UsageError(`error parsing ${source}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function objectsOf(value: unknown, source: string, duplicates: readonly string[]): Manifest[] {
  const object = value as KubeObject & { items?: unknown[] }
  if (typeof value !== 'object' || Array.isArray(value))
    throw new UsageError(`error parsing ${source}: a manifest must be an object with apiVersion and kind`)
  if (typeof object.kind !== 'string' || object.kind === '')
    throw new UsageError(`error validating ${source}: kind not set`)
  if (typeof object.apiVersion !== 'string' || object.apiVersion === '')
    throw new UsageError(`error validating ${source}: apiVersion not set`)
  if (object.kind.endsWith('List') && Array.isArray(object.items))
    return object.items.flatMap((item) => objectsOf(item, source, duplicates))
  if (!object.metadata?.name && !object.metadata?.generateName)
    throw new UsageError(`error when reading ${source}: ${object.kind} has no metadata.name`)
  return [{ object, source, duplicates }]
}
