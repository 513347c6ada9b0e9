import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { requireRoom } from './lmdb-commit.ts'

test('a commit is refused before it is made where the disk has no room for it', () => {
  const largerThanAnyDisk = { length: 2 ** 60 } as Uint8Array
  expect(() => requireRoom(tmpdir(), [new Uint8Array(1_000)])).not.toThrow()
  expect(() => requireRoom(tmpdir(), [largerThanAnyDisk])).toThrow('no space left on device')
})
