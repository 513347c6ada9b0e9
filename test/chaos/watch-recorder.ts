import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../../src/api/object.ts'
import type { ChaosNode } from './chaos-cluster.ts'

interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  object: KubeObject & { code?: number }
}

interface List {
  metadata: { resourceVersion: string }
  items: KubeObject[]
}

/**
 * Follows one resource at one node as an informer does, through every interruption, and checks what a watch promises:
 * versions rise, over lists and reconnections too; ADDED exactly for what was not there; nothing is left out.
 */
export interface WatchRecorder {
  readonly problems: string[]
  /** Events seen, bookmarks left out. */
  events(): number
  /** What lists and events came to, by namespace and name. */
  readonly known: ReadonlyMap<string, KubeObject>
  /** The newest version told. */
  version(): bigint
  done: Promise<void>
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
const restMs = 200
/** Without an event or bookmark for this long a stream counts as dead: its node may have vanished without a word. */
const silenceMs = 5_000

export function recordWatch(
  node: ChaosNode,
  path: string,
  signal: AbortSignal,
  onEvent?: (type: WatchEvent['type'], object: KubeObject) => void,
): WatchRecorder {
  const known = new Map<string, KubeObject>()
  const problems: string[] = []
  let version = 0n
  let isListed = false
  let events = 0
  const problem = (what: string): void => void (problems.length < 50 && problems.push(`${node.name} ${path}: ${what}`))

  async function list(): Promise<void> {
    const { metadata, items } = await node.client.json<List>({ path, timeoutMs: 5_000, signal })
    const listed = BigInt(metadata.resourceVersion)
    if (listed < version) problem(`a list at ${listed} after events up to ${version}`)
    known.clear()
    for (const item of items) {
      known.set(keyOf(item), item)
      onEvent?.('ADDED', item)
    }
    version = listed
    isListed = true
  }

  function see({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      if (object.code === 410) isListed = false
      return
    }
    const told = BigInt(object.metadata.resourceVersion ?? '0')
    if (type === 'BOOKMARK') {
      if (told < version) problem(`a bookmark at ${told} after events up to ${version}`)
      else version = told
      return
    }
    events++
    const key = keyOf(object)
    if (told <= version) problem(`${type} ${key} at ${told} after ${version}`)
    if ((type === 'ADDED') === known.has(key)) problem(`${type} ${key} at ${told}, known: ${known.has(key)}`)
    version = told
    if (type === 'DELETED') known.delete(key)
    else known.set(key, object)
    onEvent?.(type, object)
  }

  async function follow(): Promise<void> {
    const query = { watch: '1', resourceVersion: version.toString(), allowWatchBookmarks: 'true', timeoutSeconds: '20' }
    const stream = await node.client.stream({ path, query, timeoutMs: 5_000, signal })
    const end = (): void => void stream.destroy()
    signal.addEventListener('abort', end)
    let silence = setTimeout(end, silenceMs)
    let rest = ''
    try {
      for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
        clearTimeout(silence)
        silence = setTimeout(end, silenceMs)
        const lines = (rest + chunk).split('\n')
        rest = lines.pop()!
        for (const line of lines) if (line !== '') see(JSON.parse(line) as WatchEvent)
      }
    } finally {
      clearTimeout(silence)
      signal.removeEventListener('abort', end)
      stream.destroy()
    }
  }

  async function record(): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!isListed) await list()
        await follow()
      } catch (error) {
        if ((error as { code?: number }).code === 410) isListed = false
        await sleep(restMs)
      }
    }
  }

  return { problems, known, version: () => version, events: () => events, done: record() }
}
