import { appendFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Service } from '../../lib/service.ts'
import type { AuditSink } from './audit.ts'

/** Bounds of an audit log on disk. */
export interface AuditLogLimits {
  /** A file that has grown to this is put aside. */
  maxBytes: number
  /** Files put aside that are kept, the newest. */
  maxBackups: number
  /** Files put aside that are older go; 0: never for their age. */
  maxAgeDays: number
}

/** Lines that wait for the disk. Beyond it they are dropped and counted: an API must not stop for a full disk. */
const maxWaitingBytes = 16 * 1024 * 1024
const dayMs = 86_400_000

export interface AuditLogFile extends AuditSink, Service {
  /** Lines that were lost. */
  dropped(): number
}

/** Appends lines to a file, in order, and rotates it. The file is made for its owner's eyes only: it holds bodies. */
export function auditLogFile(options: {
  path: string
  limits: AuditLogLimits
  clock: Clock
  log: Logger
}): AuditLogFile {
  const { path, limits, clock, log } = options
  let waiting: string[] = []
  let waitingBytes = 0
  let dropped = 0
  let size = 0
  let writing: Promise<void> | undefined

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting
      waiting = []
      waitingBytes = 0
      // A file ends with the line that makes it too large, so that a flood is spread over several.
      let chunk = ''
      for (const [at, line] of lines.entries()) {
        chunk += line
        const isFull = size + chunk.length >= limits.maxBytes
        if (!isFull && at < lines.length - 1) continue
        try {
          await appendFile(path, chunk, { mode: 0o600 })
          size += Buffer.byteLength(chunk)
          if (isFull) await rotate()
        } catch (error) {
          dropped += chunk.split('\n').length - 1
          log.error({ path, error: String(error) }, 'audit log not written')
        }
        chunk = ''
      }
    }
  }

  async function rotate(): Promise<void> {
    const extension = extname(path)
    const stem = path.slice(0, path.length - extension.length)
    const when = new Date(clock.nowMs()).toISOString().replaceAll(':', '-')
    await rename(path, `${stem}-${when}-${String(clock.monotonicMs() % 1000).padStart(3, '0')}${extension}`)
    size = 0
    const prefix = `${basename(stem)}-`
    const backups = (await readdir(dirname(path))).filter((one) => one.startsWith(prefix) && one.endsWith(extension))
    const aged = await Promise.all(
      backups.map(async (one) => ({ one, atMs: (await stat(join(dirname(path), one))).mtimeMs })),
    )
    aged.sort((a, b) => b.atMs - a.atMs || (a.one < b.one ? 1 : -1))
    const isOver = (atMs: number) => limits.maxAgeDays > 0 && clock.nowMs() - atMs > limits.maxAgeDays * dayMs
    for (const [index, { one, atMs }] of aged.entries())
      if (index >= limits.maxBackups || isOver(atMs)) await rm(join(dirname(path), one), { force: true })
  }

  return {
    dropped: () => dropped,
    async start() {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      size = await stat(path).then(
        (file) => file.size,
        () => 0,
      )
    },
    async stop() {
      await writing
    },
    write(line) {
      if (waitingBytes + line.length > maxWaitingBytes) {
        dropped++
        return
      }
      waiting.push(line)
      waitingBytes += line.length
      writing ??= drain().finally(() => (writing = undefined))
    },
  }
}
