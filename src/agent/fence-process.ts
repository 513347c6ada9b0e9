import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'

/**
 * Kills containers that must be unique when nobody says in time that they may go on: their agent may be dead while they
 * live. A process of its own (decision 0013), which outlives the agent. It ends with the need for it.
 */
export interface FenceProcess {
  /** What earlier agents left in the care of theirs, which the first {@link feed} takes over; undefined: nothing. */
  takeOver(): Promise<FenceOrder | undefined>
  /**
   * These, and no others, are killed once the time is over, unless it is called again before. Resolves when that will happen
   * whatever becomes of this process. Rejects when it cannot be seen to; then what was said before stands.
   */
  feed(order: FenceOrder): Promise<void>
}

/** Container ids, and the time after which they are killed. */
export interface FenceOrder {
  readonly containerIds: readonly string[]
  readonly leftMs: number
}

export interface FenceProcessOptions {
  /** Where orders lie. Each agent writes one of its own, whose process ends when it is taken away. */
  readonly directory: string
  /** Distinguishes this agent from those before it. */
  readonly id: string
  readonly cgroupRoot?: string
  readonly pollSeconds?: number
}

const defaultPollSeconds = 1

/**
 * The process: a shell, because it must be small, and every machine has one. `$1`: the order, `$2`: the cgroups, `$3`:
 * seconds between looks. An order is one line: the time, in seconds of /proc/uptime (CLOCK_BOOTTIME, which counts
 * suspension), then container ids. Engines name a container's cgroup by its id; whoever is in that is killed, so a pid that
 * was given anew is nobody's end.
 */
const program = `
order=$1 root=$2 poll=$3 deadline=
# Out of the cgroup of the agent, which may be killed as a whole.
if [ -e "$root/cgroup.controllers" ]; then
  echo $$ >"$root/cgroup.procs"
  tree=$root
else
  for procs in "$root"/*/cgroup.procs; do echo $$ >"$procs"; done
  tree=$root/memory
fi

kill_group() {
  [ ! -e "$1/cgroup.kill" ] || echo 1 >"$1/cgroup.kill"
  while read -r pid; do
    # 0 stands for a process of another pid namespace.
    if [ "$pid" -gt 0 ] && kill -9 "$pid"; then killed=yes; fi
  done <"$1/cgroup.procs"
  for group in "$1"/*/; do [ ! -d "$group" ] || kill_group "\${group%/}"; done
}

kill_listed() {
  for group in "$1"/*/; do
    [ -d "$group" ] || continue
    group=\${group%/} name=\${group##*/}
    name=\${name#docker-} name=\${name#libpod-}
    case " $ids " in
      *" \${name%.scope} "*) kill_group "$group" ;;
      *) kill_listed "$group" ;;
    esac
  done
}

while sleep "$poll"; do
  if read -r next_deadline next_ids <"$order"; then
    deadline=$next_deadline ids=$next_ids
  elif [ -z "$deadline" ] || { [ -d "\${order%/*}" ] && [ ! -e "$order" ]; }; then
    # Taken away. On a disk that does not answer the directory is not there either, and the last order stands.
    exit 0
  fi
  read -r now rest </proc/uptime
  if [ "\${now%%.*}" -ge "$deadline" ]; then
    killed=
    kill_listed "$tree"
    # Nobody is left, and nobody starts them but an agent, which starts this anew.
    [ "$killed" ] || exit 0
  fi
done
`

const namesIn = (directory: string): Promise<string[]> => readdir(directory).catch(() => [])

export function createFenceProcess(options: FenceProcessOptions): FenceProcess {
  const { directory, id, cgroupRoot = '/sys/fs/cgroup', pollSeconds = defaultPollSeconds } = options
  const path = join(directory, id)
  let child: ChildProcess | undefined
  let isWanted = false
  let earlier: string[] = []
  let writing: Promise<void> = Promise.resolve()

  /** Resolves when the process runs. */
  async function run(): Promise<void> {
    if (child !== undefined) return
    const args = ['-s', path, cgroupRoot, String(pollSeconds)]
    const started = spawn('/bin/sh', args, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    child = started
    started.once('exit', () => {
      child = undefined
      // One that cannot be started is tried again when the next order is given.
      if (isWanted) run().catch(() => undefined)
    })
    await once(started, 'spawn').catch((error: unknown) => {
      child = undefined
      throw error
    })
    started.unref()
    // Once it is in the pipe it is read, whatever becomes of this process.
    started.stdin.end(program)
    await once(started.stdin, 'finish')
  }

  async function write({ containerIds, leftMs }: FenceOrder): Promise<void> {
    isWanted = containerIds.length > 0
    if (isWanted) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const line = [Math.floor(uptime() + leftMs / 1000), ...containerIds].join(' ')
      await writeFile(`${path}.new`, `${line}\n`, { mode: 0o600 })
      await rename(`${path}.new`, path)
      await run()
    } else await rm(path, { force: true })
    for (const name of earlier.splice(0)) await rm(join(directory, name), { force: true })
  }

  return {
    async takeOver() {
      earlier = (await namesIn(directory)).filter((name) => name !== id)
      const orders = await Promise.all(earlier.map((name) => readOrder(join(directory, name))))
      const found = orders.filter((order) => order !== undefined)
      if (found.length === 0) return undefined
      return {
        containerIds: found.flatMap(({ containerIds }) => containerIds),
        leftMs: Math.min(...found.map(({ leftMs }) => leftMs)),
      }
    },
    feed(order) {
      const written = writing.then(() => write(order))
      writing = written.catch(() => undefined)
      return written
    },
  }
}

async function readOrder(path: string): Promise<FenceOrder | undefined> {
  const [deadline, ...containerIds] = (await readFile(path, 'utf8')).trim().split(' ')
  const leftMs = (Number(deadline) - uptime()) * 1000
  return Number.isNaN(leftMs) || containerIds.length === 0 ? undefined : { containerIds, leftMs }
}

/** Ends the processes of all agents of this machine: what they guard is being removed. */
export async function endFences(directory: string, clock: Clock): Promise<void> {
  const names = await namesIn(directory)
  for (const name of names) await rm(join(directory, name), { force: true })
  // They end when they see it.
  if (names.length > 0) await new Promise<void>((resolve) => clock.after(defaultPollSeconds * 1000 + 200, resolve))
}
