import { spawn } from 'node:child_process'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { PassThrough, type Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { Node } from '../src/api/kinds.ts'
import { createRestClient } from '../src/client/rest-client.ts'
import { exec } from '../src/lib/exec.ts'
import { dockerSocket } from '../src/local/cluster.ts'
import { type LocalNode, localNodes } from '../src/local/layout.ts'
import { firstProcess } from '../src/local/machine.ts'
import { listClusters, loadCluster } from '../src/local/state.ts'
import { type Invocation, type Io, option, UsageError } from './command.ts'
import { connectionOf, nodeKubeconfig } from './connection.ts'
import { localSettings } from './local-settings.ts'

export interface NodeImage {
  node: string
  image: string
  bytes: number
}

/** Where images go: the nodes of a local cluster, or those that an API server brings them to. */
export interface ImageStores {
  /** A file, `-`, or an image of this machine's Docker. */
  load(source: string): Promise<void>
  list(): Promise<NodeImage[]>
  remove?(image: string): Promise<void>
  close(): void
}

/** Loading waits for disks of all nodes, so it is given more time than a question. */
const loadTimeoutMs = 30 * 60_000

export async function imageStores(invocation: Invocation): Promise<ImageStores> {
  const nodes = localNodesOf(invocation)
  return nodes ? localStores(nodes, invocation.io) : remoteStores(invocation)
}

/** Nodes of the local cluster that is meant; undefined when an API server is. */
function localNodesOf(invocation: Invocation): LocalNode[] | undefined {
  const { env } = invocation.io
  const { root } = localSettings(invocation.io)
  const name = option.text(invocation, 'name')
  if (name === undefined) {
    const isMember = existsSync(nodeKubeconfig(invocation.io))
    const isTold = option.text(invocation, 'kubeconfig') ?? option.text(invocation, 'server') ?? env['KUBECONFIG']
    const clusters = listClusters(root)
    if (isMember || isTold || clusters.length === 0) return undefined
    if (clusters.length > 1)
      throw new UsageError(
        `which cluster? choose one with --name: ${clusters.map((cluster) => cluster.name).join(', ')}`,
      )
  }
  const cluster = name === undefined ? listClusters(root)[0] : loadCluster(root, name)
  if (!cluster) throw new UsageError(`no local cluster is called "${name}": make it with 'stormo cluster up'`)
  const running = localNodes(root, cluster).filter((node) => firstProcess(node) !== undefined)
  if (running.length === 0)
    throw new UsageError(`no node of cluster "${cluster.name}" is on: start it with 'stormo cluster start'`)
  return running
}

/** The archive's bytes, and the way to hear that its source failed. */
interface Archive {
  bytes: Readable
  /** Rejects when the source broke off. */
  done: Promise<void>
}

async function openArchive(source: string, io: Io): Promise<Archive> {
  if (source === '-') return { bytes: io.stdin, done: Promise.resolve() }
  const stat = statSync(source, { throwIfNoEntry: false })
  if (stat?.isFile()) return { bytes: createReadStream(source), done: Promise.resolve() }
  if (stat) throw new UsageError(`${source} is no archive: give the file that 'docker save' wrote`)
  const known = await exec('docker', ['image', 'inspect', '--format', '{{.Id}}', source]).catch(() => undefined)
  if (known === undefined || known.code !== 0)
    throw new UsageError(
      `"${source}" is neither a file nor an image of this machine's Docker${known?.stderr ? `: ${known.stderr.trim()}` : ''}`,
    )
  const child = spawn('docker', ['save', source], { stdio: ['ignore', 'pipe', 'pipe'] })
  const done = new Promise<void>((resolve, reject) => {
    const complaint = text(child.stderr)
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0
        ? resolve()
        : void complaint.then((said) => reject(new UsageError(`docker save ${source} failed: ${said.trim()}`))),
    )
  })
  return { bytes: child.stdout, done }
}

function localStores(nodes: readonly LocalNode[], io: Io): ImageStores {
  const docker = (node: LocalNode, args: readonly string[]): string[] => [
    '--host',
    `unix://${dockerSocket(node)}`,
    ...args,
  ]
  return {
    async load(source) {
      const archive = await openArchive(source, io)
      const loads = nodes.map((node) => loadInto(node, docker(node, ['load']), source))
      // One reading of the archive feeds all nodes; the slowest sets the pace.
      const fan = new PassThrough().setMaxListeners(0)
      const copies = loads.map(({ stdin }) => pipeline(fan, stdin).catch(() => undefined))
      await Promise.all([
        pipeline(archive.bytes, fan),
        archive.done,
        ...copies,
        ...loads.map(({ said }) => said),
      ]).catch((error: unknown) => {
        for (const { stop } of loads) stop()
        throw error
      })
      const images = await Promise.all(loads.map(({ said }) => said))
      nodes.forEach((node, index) => io.out(`${node.name}: ${images[index]}\n`))
    },
    async list() {
      const lists = nodes.map(async (node) => {
        const format = '{{.Repository}}:{{.Tag}}\t{{.ID}}'
        const { code, stdout, stderr } = await exec(
          'docker',
          docker(node, ['image', 'ls', '--no-trunc', '--format', format]),
        )
        if (code !== 0) throw new UsageError(`${node.name}: ${stderr.trim()}`)
        const lines = stdout.split('\n').filter((line) => line !== '')
        return await Promise.all(
          lines.map(async (line): Promise<NodeImage> => {
            const [image = '', id = ''] = line.split('\t')
            const size = await exec('docker', docker(node, ['image', 'inspect', '--format', '{{.Size}}', id]))
            return { node: node.name, image, bytes: Number(size.stdout.trim()) || 0 }
          }),
        )
      })
      return (await Promise.all(lists)).flat()
    },
    async remove(image) {
      for (const node of nodes) {
        const { code, stderr } = await exec('docker', docker(node, ['image', 'rm', image]))
        if (code !== 0) throw new UsageError(`${node.name}: ${stderr.trim()}`)
        io.out(`${node.name}: removed ${image}\n`)
      }
    },
    close() {},
  }
}

/** A `docker load` that waits for its input; `said` is what it answers, or rejects with its complaint. */
function loadInto(node: LocalNode, args: readonly string[], source: string) {
  const child = spawn('docker', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const said = new Promise<string>((resolve, reject) => {
    const answer = text(child.stdout)
    const complaint = text(child.stderr)
    child.on('error', reject)
    child.on('close', (code) => {
      void Promise.all([answer, complaint]).then(([out, err]) => {
        // docker load ends well on an archive without an image in it.
        if (code === 0 && /Loaded image/.test(out)) resolve(out.trim().split('\n').join(', '))
        else
          reject(new UsageError(`${node.name}: ${source}: ${err.trim() || out.trim() || 'the archive holds no image'}`))
      })
    })
  })
  return { stdin: child.stdin, said, stop: () => child.kill() }
}

function remoteStores(invocation: Invocation): ImageStores {
  const { io } = invocation
  const client = createRestClient(connectionOf(invocation))
  return {
    async load(source) {
      const archive = await openArchive(source, io)
      const [{ images }] = await Promise.all([
        client.json<{ images: string[] }>({
          method: 'POST',
          path: '/stormo/v1/images',
          body: archive.bytes,
          contentType: 'application/x-tar',
          timeoutMs: loadTimeoutMs,
          signal: io.signal,
        }),
        archive.done,
      ])
      if (images.length === 0) throw new UsageError(`${source}: the archive holds no image`)
      for (const image of images) io.out(`Loaded image: ${image}\n`)
    },
    async list() {
      const { items } = await client.json<{ items: Node[] }>({ path: '/api/v1/nodes' })
      return items.flatMap((node) =>
        (node.status?.images ?? []).map((image) => ({
          node: node.metadata.name ?? '',
          image: image.names?.find((name) => !name.includes('@')) ?? image.names?.[0] ?? '',
          bytes: image.sizeBytes ?? 0,
        })),
      )
    },
    close: () => client.close(),
  }
}
