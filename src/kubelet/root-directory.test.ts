import { mkdir, mkdtemp, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '../lib/log.ts'
import { nameRootDirectory, unnameRootDirectory } from './root-directory.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stormo-root-'))
  await mkdir(join(dir, 'data'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('the name is given, found again, and taken back', async () => {
  const [data, root] = [join(dir, 'data'), join(dir, 'lib/kubelet')]
  expect(await nameRootDirectory(data, root, silentLogger)).toBe(root)
  expect(await nameRootDirectory(data, root, silentLogger)).toBe(root)
  await unnameRootDirectory(data, root)
  await expect(readlink(root)).rejects.toThrow('ENOENT')
  await unnameRootDirectory(data, root)
})

test('the name of another kubelet is left to it', async () => {
  const [data, other, root] = [join(dir, 'data'), join(dir, 'other'), join(dir, 'kubelet')]
  await mkdir(other)
  await symlink(other, root)
  expect(await nameRootDirectory(data, root, silentLogger)).toBe(data)
  await unnameRootDirectory(data, root)
  expect(await readlink(root)).toBe(other)
})
