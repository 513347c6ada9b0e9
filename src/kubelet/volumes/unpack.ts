import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** The most that is kept of what `tar` complains about, in characters. */
const maxComplaintLength = 2_000

/** Unpacks a tar archive with owners, modes and links as they are. Throws what `tar` says. */
export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const tar = spawn('tar', ['--extract', '--preserve-permissions', '--numeric-owner', '--directory', directory], {
    stdio: ['pipe', 'ignore', 'pipe'],
    signal,
  })
  let complaint = ''
  tar.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < maxComplaintLength) complaint += text
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    tar.once('error', reject)
    tar.once('close', resolve)
  })
  // A failure of either side ends the other; what tar says of it tells more than a broken pipe.
  const [written, code] = await Promise.allSettled([pipeline(Readable.from(archive), tar.stdin), ended])
  if (code.status === 'rejected') throw code.reason
  if (code.value !== 0) throw new Error(`tar: ${complaint.trim() || `exit code ${code.value}`}`)
  if (written.status === 'rejected') throw written.reason
}
