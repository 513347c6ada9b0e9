import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type Invocation, type Io, option, UsageError } from './command.ts'
import type { Manifest } from './parse-manifest.ts'

export type { Manifest }

const maxManifestBytes = 32 * 1024 * 1024

const kustomizePrefix = 'kustomize:'

/** What -f and -k name, for {@link readManifests}. */
export function manifestSources(invocation: Invocation): string[] {
  const directory = option.text(invocation, 'kustomize')
  const files = option.list(invocation, 'filename')
  if (directory === undefined) return files
  if (files.length > 0) throw new UsageError('only one of -f or -k can be specified')
  return [`${kustomizePrefix}${directory}`]
}

/** Some versions of kubectl tell their last error in a line of their log. */
const withoutLogHead = (text: string): string =>
  /^E\d{4} .* err="(.*)"$/s.exec(text)?.[1] ?? text.replace(/^error: /, '')

/** Builds a kustomization with the tool that is at hand: its format is that tool's own. */
export async function kustomize(directory: string): Promise<string> {
  for (const [tool, verb] of [
    ['kubectl', 'kustomize'],
    ['kustomize', 'build'],
  ] as const) {
    const built = await new Promise<string | undefined>((resolve, reject) => {
      execFile(tool, [verb, directory], { maxBuffer: maxManifestBytes }, (error, stdout, stderr) => {
        if (!error) resolve(stdout)
        else if (error.code === 'ENOENT') resolve(undefined)
        else reject(new UsageError(withoutLogHead(stderr.trim()) || error.message))
      })
    })
    if (built !== undefined) return built
  }
  throw new UsageError('-k needs kustomize or kubectl on the PATH')
}

/** Reads files, directories, URLs and `-`. Lists are taken apart. Throws UsageError that names the file and the line. */
export async function readManifests(sources: readonly string[], recursive: boolean, io: Io): Promise<Manifest[]> {
  if (sources.length === 0) throw new UsageError('must specify one of -f and -k')
  // The parser is loaded when there is something to parse.
  const { parseManifest } = await import('./parse-manifest.ts')
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
  if (/^https?:\/\//.test(source)) {
    // Node.js takes 60 ms to load node:http as a module, and few commands read from the web.
    const { download } = await import('./download.ts')
    return [{ name: source, text: await download(source, maxManifestBytes) }]
  }
  if (source.startsWith(kustomizePrefix)) {
    const directory = source.slice(kustomizePrefix.length)
    return [{ name: directory, text: await kustomize(directory) }]
  }
  const stat = statSync(source, { throwIfNoEntry: false })
  if (!stat) throw new UsageError(`the path "${source}" does not exist`)
  const files = filesOf(source, stat.isDirectory(), recursive)
  if (files.length === 0)
    throw new UsageError(`error reading [${source}]: recognized file extensions are [.json .yaml .yml]`)
  return files.map((name) => ({ name, text: readFileSync(name, 'utf8') }))
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
