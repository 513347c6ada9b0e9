import { createReadStream } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { StatusError } from '../../api/status-error.ts'
import { channel, type Channels } from '../../streams/channels.ts'

/**
 * A file of the node's logs, or the list of a directory as links, as a kubelet's `/logs/` gives them. Links that lead out of
 * the logs are not followed. Throws NotFound.
 */
export async function serveSystemLog(
  root: string,
  path: string,
  channels: Channels,
  signal: AbortSignal,
): Promise<void> {
  const found = await locate(root, path)
  if (found.isDirectory) {
    const entries = await readdir(found.path, { withFileTypes: true })
    const links = entries
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .toSorted()
      .map((name) => `<a href="${encodeURIComponent(name).replace('%2F', '/')}">${escaped(name)}</a>\n`)
    await channels.write(channel.stdout, Buffer.from(`<pre>\n${links.join('')}</pre>\n`))
  } else {
    for await (const chunk of createReadStream(found.path, { signal }))
      await channels.write(channel.stdout, chunk as Uint8Array)
  }
  await channels.end(channel.stdout)
}

async function locate(root: string, path: string): Promise<{ path: string; isDirectory: boolean }> {
  const missing = new StatusError('NotFound', '404 page not found')
  try {
    const [base, wanted] = [await realpath(root), await realpath(join(root, path))]
    if (wanted !== base && !wanted.startsWith(base + sep)) throw missing
    const facts = await stat(wanted)
    // A pipe or a device would be read for ever.
    if (!facts.isDirectory() && !facts.isFile()) throw missing
    return { path: wanted, isDirectory: facts.isDirectory() }
  } catch {
    throw missing
  }
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&#34;')
