import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { envFileKey, envFileValue, readEnvFiles } from './env-file.ts'

test.each([
  ["A='1'\nB='2'", 'B', '2'],
  ["A='two\nlines'\nB='2'", 'A', 'two\nlines'],
  ["A='with # in it'", 'A', 'with # in it'],
  ["# A='comment'\nA='1'\nA='2'", 'A', '1'],
  ['A=bare value # and why\n', 'A', 'bare value'],
  ["A=''", 'A', ''],
  ["AB='1'", 'B', undefined],
  ['', 'A', undefined],
])('in %j the value of %s is %j', (text, key, value) => {
  expect(envFileValue(text, key)).toBe(value)
})

describe('files of variables', () => {
  let root = ''
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'env-file-'))
    await writeFile(join(root, 'config.env'), "A='1'")
    await symlink('/etc/hostname', join(root, 'outside'))
  })
  afterAll(() => rm(root, { recursive: true }))

  const reading = (path: string, volumeName = 'config') =>
    readEnvFiles(
      {
        name: 'main',
        env: [{ name: 'A', valueFrom: { fileKeyRef: { volumeName, path, key: 'A' } } }],
      },
      new Map([['config', { path: root, readOnly: false }]]),
    )

  test('are read from the volume', async () => {
    expect([...(await reading('config.env'))]).toEqual([[envFileKey('config', 'config.env'), "A='1'"]])
  })
  test('may be missing: then so are their variables', async () => {
    expect((await reading('none.env')).size).toBe(0)
  })
  test('are not looked for outside of the volume', async () => {
    await expect(reading('outside')).rejects.toThrow(/leads out of its volume/)
    await expect(reading('config.env', 'another')).rejects.toThrow(/cannot find the volume/)
  })
})
