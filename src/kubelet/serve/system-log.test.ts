import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { channelPair } from '../../streams/channel-pair.ts'
import { serveSystemLog } from './system-log.ts'

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stormo-log-'))
  await mkdir(join(directory, 'log/pods'), { recursive: true })
  await writeFile(join(directory, 'log/syslog'), 'first\nsecond\n')
  await writeFile(join(directory, 'log/a<b&c'), '')
  await writeFile(join(directory, 'secret'), 'not a log')
  await symlink('../secret', join(directory, 'log/way-out'))
  await symlink('syslog', join(directory, 'log/current'))
})
afterAll(() => rm(directory, { recursive: true }))

async function read(path: string): Promise<string> {
  const [near, far] = channelPair()
  const served = serveSystemLog(join(directory, 'log'), path, far, new AbortController().signal).finally(() =>
    far.close(),
  )
  served.catch(() => undefined)
  let text = ''
  for await (const { data } of near.frames) text += data ? Buffer.from(data).toString() : ''
  await served
  return text
}

test('files are read whole, also by links; directories are lists of links', async () => {
  expect(await read('syslog')).toBe('first\nsecond\n')
  expect(await read('current')).toBe('first\nsecond\n')
  const list = await read('')
  expect(list).toContain('<a href="syslog">syslog</a>\n')
  expect(list).toContain('<a href="pods/">pods/</a>\n')
  expect(list).toContain('<a href="a%3Cb%26c">a&lt;b&amp;c</a>\n')
})

test.each(['nosuch', '../secret', 'way-out', '../log2'])('%s is not there', async (path) => {
  await expect(read(path)).rejects.toMatchObject({ reason: 'NotFound' })
})
