import { createReadStream, mkdirSync, statSync } from 'node:fs'
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Extract, Pack } from 'tar-stream'
import type { Pod } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { withClient } from '../connection.ts'
import { containerOf, podPath } from '../pods.ts'
import { remoteCommand } from '../remote-command.ts'
import { namespaceOf, namespaceOptions } from '../targets.ts'

export const cpCommand: CommandDefinition = {
  name: 'cp',
  arguments: '<source> <destination>',
  summary: 'Copy files to and from containers (which need tar)',
  options: [
    ...namespaceOptions,
    { flags: '-c, --container <name>', summary: 'container of the pod' },
    { flags: '--no-preserve', summary: "leave owner and mode as the container's user has them" },
    { flags: '--retries <count>', summary: 'accepted', integer: true },
  ],
  examples: `Examples:
  stormo cp index.html web-0:/www/index.html
  stormo cp prod/web-0:/var/log ./log`,
  run: (invocation) => withClient(invocation, (client) => copy(invocation, client)),
}

export interface FilePlace {
  namespace?: string
  /** Absent: on this machine. */
  pod?: string
  path: string
}

/** `path`, `pod:path`, `namespace/pod:path`. Throws UsageError. */
export function parsePlace(text: string): FilePlace {
  const at = text.indexOf(':')
  if (at < 0 || text.startsWith('.') || text.startsWith('/')) return { path: text }
  const [first = '', second, ...more] = text.slice(0, at).split('/')
  const path = text.slice(at + 1)
  if (path === '') throw new UsageError('filepath can not be empty')
  if (more.length > 0) throw new UsageError('remote file spec must be namespace/pod:path or pod:path')
  return second === undefined ? { pod: first, path } : { namespace: first, pod: second, path }
}

async function copy(invocation: Invocation, client: RestClient): Promise<number> {
  const [source, destination] = invocation.args.map(parsePlace) as [FilePlace, FilePlace]
  if (source.pod !== undefined && destination.pod !== undefined)
    throw new UsageError('one of src or dest must be a local file specification')
  if (source.pod === undefined && destination.pod === undefined)
    throw new UsageError('one of src or dest must be a remote file specification')
  return source.pod === undefined
    ? await upload(invocation, client, source.path, destination)
    : await download(invocation, client, source, destination.path)
}

async function openPod(
  invocation: Invocation,
  client: RestClient,
  place: FilePlace,
): Promise<{ path: string; container: string }> {
  const namespace = place.namespace ?? namespaceOf(invocation, client)
  const pod = await client.json<Pod>({ path: podPath(namespace, place.pod!) })
  const container = containerOf(pod, option.text(invocation, 'container'), invocation.io)
  return { path: podPath(namespace, place.pod!, 'exec'), container }
}

const execQuery = (container: string, command: readonly string[], stdin: boolean) => ({
  command,
  container,
  stdin: String(stdin),
  stdout: 'true',
  stderr: 'true',
  tty: 'false',
})

async function upload(
  invocation: Invocation,
  client: RestClient,
  source: string,
  destination: FilePlace,
): Promise<number> {
  const { io } = invocation
  if (!statSync(source, { throwIfNoEntry: false })) throw new UsageError(`${source} doesn't exist in local filesystem`)
  const { path, container } = await openPod(invocation, client, destination)
  const run = (command: readonly string[]): Promise<number> =>
    remoteCommand(
      client,
      { path, query: execQuery(container, command, false) },
      { stdout: nowhere(), stderr: nowhere() },
      io.signal,
    )
  const trimmed = destination.path.replace(/(?<=.)\/+$/, '')
  // Into a directory that is there, as cp does; else under the new name.
  const isDirectory = destination.path.endsWith('/') || (await run(['test', '-d', trimmed])) === 0
  const target = isDirectory ? posix.join(trimmed, basename(resolve(source))) : trimmed
  const { pack } = await import('tar-stream')
  const archive = pack()
  const sent = packFiles(archive, resolve(source), posix.basename(target)).catch((error: Error) =>
    archive.destroy(error),
  )
  const ownership = invocation.options['preserve'] === false ? ['--no-same-permissions', '--no-same-owner'] : []
  const command = ['tar', ...ownership, '-xmf', '-', '-C', posix.dirname(target)]
  const stdin = new PassThrough()
  const [exitCode] = await Promise.all([
    remoteCommand(
      client,
      { path, query: execQuery(container, command, true) },
      { stdin, stdout: io.stdout, stderr: io.stderr },
      io.signal,
    ),
    pipeline(archive, stdin).catch(() => undefined),
    sent,
  ])
  if (exitCode !== 0) io.err(`command terminated with exit code ${exitCode}\n`)
  return exitCode
}

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() })

async function packFiles(archive: Pack, path: string, name: string): Promise<void> {
  const { lstat, readdir, readlink } = await import('node:fs/promises')
  const add = async (from: string, as: string): Promise<void> => {
    const stat = await lstat(from)
    const header = { name: as, mode: stat.mode & 0o7777, mtime: stat.mtime, uid: stat.uid, gid: stat.gid }
    if (stat.isDirectory()) {
      archive.entry({ ...header, type: 'directory' })
      for (const child of (await readdir(from)).toSorted()) await add(join(from, child), posix.join(as, child))
    } else if (stat.isSymbolicLink()) archive.entry({ ...header, type: 'symlink', linkname: await readlink(from) })
    else if (stat.isFile()) await pipeline(createReadStream(from), archive.entry({ ...header, size: stat.size }))
  }
  await add(path, name)
  archive.finalize()
}

async function download(
  invocation: Invocation,
  client: RestClient,
  source: FilePlace,
  destination: string,
): Promise<number> {
  const { io } = invocation
  const { path, container } = await openPod(invocation, client, source)
  const isDirectory = statSync(destination, { throwIfNoEntry: false })?.isDirectory() ?? false
  const name = posix.basename(source.path)
  const target = isDirectory ? join(destination, name) : resolve(destination)
  const { extract } = await import('tar-stream')
  const files = extract()
  const bytes = new PassThrough()
  const piped = pipeline(bytes, files)
  const prefix = source.path.replace(/^\/+/, '').replace(/\/+$/, '')
  const unpacked = unpack(files, prefix, target, io)
  const command = ['tar', 'cf', '-', source.path]
  const exitCode = await remoteCommand(
    client,
    { path, query: execQuery(container, command, false) },
    { stdout: bytes, stderr: filtered(io.stderr) },
    io.signal,
  )
  bytes.end()
  await Promise.all([piped, unpacked])
  if (exitCode !== 0) io.err(`command terminated with exit code ${exitCode}\n`)
  return exitCode
}

/** tar's own remark about leading slashes is no news to anybody. */
const filtered = (sink: NodeJS.WriteStream): Writable =>
  new Writable({
    write(chunk: Buffer, _encoding, done) {
      const text = chunk.toString('utf8').replaceAll(/^tar: [Rr]emoving leading .*\n/gm, '')
      if (text !== '') sink.write(text)
      done()
    },
  })

/** Writes the archive's files below `target`; names that lead out of it are refused, links are left out. */
async function unpack(files: Extract, prefix: string, target: string, io: Invocation['io']): Promise<void> {
  const { open } = await import('node:fs/promises')
  for await (const entry of files) {
    const { name, type = 'file', mode = 0o644 } = entry.header
    const inside = relative(prefix, name.replace(/^\/+/, ''))
    const path = inside === '' ? target : resolve(target, inside)
    if (inside.startsWith('..') || (path !== target && !path.startsWith(target + sep))) {
      io.err(`warning: file "${name}" is outside target destination, skipping\n`)
      entry.resume()
    } else if (type === 'directory') {
      mkdirSync(path, { recursive: true })
      entry.resume()
    } else if (type === 'file') {
      mkdirSync(dirname(path), { recursive: true })
      const handle = await open(path, 'w', mode & 0o777)
      await pipeline(entry, handle.createWriteStream())
    } else {
      io.err(`warning: skipping ${type}: "${name}"\n`)
      entry.resume()
    }
  }
}
