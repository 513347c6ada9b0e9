import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { getPriority, setPriority } from 'node:os'
import { dirname, join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { exec } from '../lib/exec.ts'
import { identifyProcess, isRunning, type ProcessIdentity } from '../lib/process-identity.ts'
import { configFile, controlSocket, type HaproxyFiles } from './haproxy-config.ts'

const program = 'haproxy'
const masterFile = 'master.json'
export const accessLogFile = 'access.log'
const maxLogBytes = 64 * 1024 * 1024
const startTimeoutMs = 10_000
const pollMs = 50
/** The runtime interface takes lines of up to its buffer's 16 KiB. */
const commandsPerLine = 50
const commandTimeoutMs = 5_000

export interface HaproxyProcess {
  /** Writes the files and makes the proxy read them: starts it, or reloads it without losing a connection. */
  load(files: HaproxyFiles): Promise<void>
  /** Changes the running proxy, and what it would read the next time. Throws when it refuses. */
  change(commands: readonly string[], files: HaproxyFiles): Promise<void>
  isRunning(): Promise<boolean>
  /** Keeps the access log below its bound. */
  rotateLog(): Promise<void>
  /** Ends the proxy and removes everything it wrote. */
  remove(): Promise<void>
}

/**
 * HAProxy in master-worker mode. It is a process of its own: an agent that is restarted finds it by its record and
 * goes on with it, so that no request is lost.
 */
export function createHaproxyProcess(options: { dir: string; exec: typeof exec; clock: Clock }): HaproxyProcess {
  const { dir, clock } = options
  const path = (name: string): string => join(dir, name)
  let generation = 0

  const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => clock.after(delayMs, resolve))

  async function write(files: HaproxyFiles): Promise<void> {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    for (const [name, text] of files) {
      await mkdir(dirname(path(name)), { recursive: true, mode: 0o700 })
      // Renamed into place: a reload in the middle of a change sees the old file or the new one.
      await writeFile(path(`${name}.new`), text, { mode: 0o600 })
      await rename(path(`${name}.new`), path(name))
    }
  }

  /** Of the master, when it runs. Not by its command line: that is empty for a moment at each reload. */
  async function master(): Promise<number | undefined> {
    try {
      const recorded = JSON.parse(await readFile(path(masterFile), 'utf8')) as ProcessIdentity
      return isRunning(recorded) ? recorded.pid : undefined
    } catch {
      return undefined
    }
  }

  async function check(): Promise<void> {
    const { code, stderr, stdout } = await options.exec(program, ['-c', '-f', path(configFile)], { timeoutMs: 30_000 })
    if (code !== 0) throw new Error(`haproxy refuses its configuration: ${lastLines(stderr || stdout)}`)
  }

  async function start(): Promise<void> {
    const log = openSync(path(accessLogFile), 'a', 0o600)
    const errors = openSync(path('error.log'), 'w', 0o600)
    // It carries pods' traffic: it and its workers get their priority, not the agent's.
    const ownPriority = getPriority()
    setPriority(0)
    const child = spawn(program, ['-W', '-f', path(configFile)], {
      detached: true,
      stdio: ['ignore', log, errors],
      cwd: '/',
    })
    setPriority(ownPriority)
    closeSync(log)
    closeSync(errors)
    child.unref()
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    await writeFile(path(masterFile), JSON.stringify(identifyProcess(child.pid!) ?? null))
  }

  /** Waits until the worker that has read the present configuration answers. */
  async function untilServing(wanted: string): Promise<void> {
    const deadlineMs = clock.monotonicMs() + startTimeoutMs
    for (;;) {
      const answer = await ask(path(controlSocket), [`show env ${generationVariable}`]).catch(() => '')
      if (answer.includes(`${generationVariable}=${wanted}`)) return
      if ((await master()) === undefined || clock.monotonicMs() > deadlineMs) {
        throw new Error(`haproxy does not serve: ${lastLines(await readFile(path('error.log'), 'utf8'))}`)
      }
      await sleep(pollMs)
    }
  }

  return {
    async load(files) {
      const wanted = `${clock.nowMs()}-${++generation}`
      await write(marked(files, wanted))
      await check()
      const running = await master()
      if (running === undefined) await start()
      else process.kill(running, 'SIGUSR2')
      await untilServing(wanted)
    },
    async change(commands, files) {
      const answers: string[] = []
      for (let from = 0; from < commands.length; from += commandsPerLine) {
        answers.push(await ask(path(controlSocket), commands.slice(from, from + commandsPerLine)))
      }
      const refusal = answers
        .join('\n')
        .split('\n')
        .find((line) => /no such|not found|invalid|unknown|require/i.test(line))
      if (refusal !== undefined) throw new Error(`haproxy refuses a change: ${refusal}`)
      await write(marked(files, `${clock.nowMs()}-${generation}`))
    },
    isRunning: async () => (await master()) !== undefined,
    async rotateLog() {
      const size = await stat(path(accessLogFile)).then(
        (one) => one.size,
        () => 0,
      )
      if (size <= maxLogBytes) return
      // The proxy appends to the open file, so that it goes on at the new end.
      await copyFile(path(accessLogFile), path(`${accessLogFile}.1`))
      await truncate(path(accessLogFile), 0)
    },
    async remove() {
      const running = await master()
      if (running !== undefined) {
        process.kill(running, 'SIGTERM')
        for (let waitedMs = 0; waitedMs < startTimeoutMs && (await master()) !== undefined; waitedMs += pollMs)
          await sleep(pollMs)
      }
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const generationVariable = 'STORMO_GENERATION'

/** The worker says which configuration it has read by a variable of its environment. */
const marked = (files: HaproxyFiles, generation: string): HaproxyFiles =>
  new Map(
    [...files].map(([name, text]) => [
      name,
      name === configFile ? text.replace('global\n', `global\n  setenv ${generationVariable} ${generation}\n`) : text,
    ]),
  )

/** One exchange with the runtime interface. */
function ask(socketPath: string, commands: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath)
    let answer = ''
    socket.setTimeout(commandTimeoutMs, () => socket.destroy(new Error('haproxy does not answer')))
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
    socket.end(`${commands.join(';')}\n`)
  })
}

const lastLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => /ALERT|ERROR|cannot|refus/i.test(line))
    .map((line) => line.replace(/^\[\w+\]\s*\(\d+\)\s*:\s*/, ''))
    .slice(0, 3)
    .join('; ') || text.trim().slice(-300)
