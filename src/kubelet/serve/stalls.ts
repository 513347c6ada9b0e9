import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** How long tasks waited: in ns since they began, and in percent of the last 10, 60 and 300 s. */
export interface Stall {
  readonly total: number
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
}

/** Pressure stall information of one resource, as `psi` of stats.k8s.io/v1alpha1 (KEP-4205): some or all tasks waited. */
export interface Stalls {
  readonly some: Stall
  readonly full: Stall
}

export const stallResources = ['cpu', 'memory', 'io'] as const
export type ContainerStalls = { readonly [resource in (typeof stallResources)[number]]: Stalls }

const none: Stall = { total: 0, avg10: 0, avg60: 0, avg300: 0 }
const nanosPerMicro = 1000

/** Reads a `*.pressure` file (Documentation/accounting/psi.rst of Linux). A line that is not there counts as no waiting. */
export function parseStalls(text: string): Stalls {
  const stallOf = (line: string | undefined): Stall => {
    if (line === undefined) return none
    const values = new Map(
      line.split(' ').map((part): [string, number] => [part.split('=')[0]!, Number(part.split('=')[1])]),
    )
    const [total = 0, avg10 = 0, avg60 = 0, avg300 = 0] = ['total', 'avg10', 'avg60', 'avg300'].map((key) =>
      values.get(key),
    )
    return { total: total * nanosPerMicro, avg10, avg60, avg300 }
  }
  const lines = text.split('\n')
  const lineOf = (kind: string): string | undefined => lines.find((line) => line.startsWith(`${kind} `))
  return { some: stallOf(lineOf('some')), full: stallOf(lineOf('full')) }
}

/** Says how long a container's tasks waited, by the pid of one; undefined where the kernel does not count it. */
export type ReadStalls = (pid: number) => Promise<ContainerStalls | undefined>

/** cgroup v2 alone has these figures for each group. */
export function stallReader(root = '/sys/fs/cgroup', proc = '/proc'): ReadStalls {
  if (!existsSync(join(root, 'cgroup.controllers'))) return () => Promise.resolve(undefined)
  return async (pid) => {
    try {
      const groups = await readFile(join(proc, String(pid), 'cgroup'), 'utf8')
      const path = /^0::(.*)$/m.exec(groups)?.[1] ?? '/'
      const read = async (resource: string): Promise<Stalls> =>
        parseStalls(await readFile(join(root, path, `${resource}.pressure`), 'utf8'))
      const [cpu, memory, io] = await Promise.all(stallResources.map(read))
      return { cpu: cpu!, memory: memory!, io: io! }
    } catch {
      // It has ended, or the kernel was started with psi=0.
      return undefined
    }
  }
}
