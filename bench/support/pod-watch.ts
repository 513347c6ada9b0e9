import type { Pod } from '../../src/api/kinds.ts'
import type { RestClient } from '../../src/client/rest-client.ts'

/** The pods of a namespace as a watch of the API tells them. */
export interface PodWatch {
  /** Resolves with `performance.now()` of when the named pod was first seen Ready. */
  ready(name: string): Promise<number>
  /** Resolves when the named pod is gone. */
  gone(name: string): Promise<void>
  close(): void
}

/** Begins to watch; resolves when the server has answered, so that nothing that follows is missed. */
export async function watchPods(client: RestClient, namespace: string, signal: AbortSignal): Promise<PodWatch> {
  const stop = new AbortController()
  const answer = await client.stream({
    path: `/api/v1/namespaces/${namespace}/pods`,
    query: { watch: 'true' },
    signal: AbortSignal.any([signal, stop.signal]),
  })
  const waiting = new Map<string, { resolve(atMs: number): void; reject(error: Error): void }>()
  const settle = (key: string): void => {
    waiting.get(key)?.resolve(performance.now())
    waiting.delete(key)
  }
  const fail = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  let rest = ''
  answer.setEncoding('utf8')
  answer.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = JSON.parse(line) as { type: string; object: Pod }
      const name = event.object.metadata.name ?? ''
      if (event.type === 'DELETED') settle(`gone/${name}`)
      else if (event.object.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'))
        settle(`ready/${name}`)
    }
  })
  answer.on('error', fail)
  answer.on('end', () => fail(new Error('the watch of pods ended')))
  const wait = (key: string): Promise<number> =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted()
      waiting.set(key, { resolve, reject })
      const deadline = setTimeout(() => reject(new Error(`pod ${key.replace('/', ': ')}: not within 60 s`)), 60_000)
      deadline.unref()
    })
  return {
    ready: (name) => wait(`ready/${name}`),
    gone: async (name) => void (await wait(`gone/${name}`)),
    close: () => stop.abort(),
  }
}
