import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { silentLogger } from '../lib/log.ts'
import { ByteWriter } from './bytes.ts'
import { loadReplica } from './load.ts'
import { memoryDisk } from './memory-disk.ts'
import { decodeTombstoneRecord, diskFormat, encodeTombstoneRecord } from './record.ts'
import { stampClock } from './stamp.ts'

const clock = { nowMs: () => Date.UTC(2026, 5, 1), monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) }
const key = { group: '', resource: 'configmaps', namespace: 'default', name: 'a' }
const stamp = '0mpufzpg0000001e2mow'

function sealed(format: number, payload: ByteWriter): Uint8Array {
  const bytes = payload.done()
  return new ByteWriter().uint(format).uint32(crc32(bytes)).raw(bytes).done()
}

const load = (disk: ReturnType<typeof memoryDisk>) =>
  loadReplica({ disk, clock, logger: silentLogger }, stampClock(clock, 0))

test('a record reads back as it was written', () => {
  const tombstone = { key, uid: 'u', stamp, replacedBy: 'v', created: stamp }
  expect(decodeTombstoneRecord(encodeTombstoneRecord(tombstone))).toEqual(tombstone)
})

test('a directory of format 2 is read, and is of the present format afterwards', async () => {
  const disk = memoryDisk()
  const tombstone = new ByteWriter().text('/configmaps/default/a').text('u').text(stamp).text('')
  await disk.commit({
    put: [
      ['m/format', sealed(2, new ByteWriter().text('2'))],
      ['t/u', sealed(2, tombstone)],
    ],
    remove: [],
  })
  const { tombstones, facts } = await load(disk)
  expect(tombstones).toMatchObject([{ uid: 'u', stamp, replacedBy: '', created: '' }])
  expect(facts.get('format')).toBe(diskFormat)
})

test('a directory of a later format is refused, with what to do, and left as it is', async () => {
  const disk = memoryDisk()
  const later = diskFormat + 1
  await disk.commit({
    put: [
      ['m/format', sealed(later, new ByteWriter().text(String(later)))],
      ['m/boot', sealed(later, new ByteWriter().text('7'))],
      ['d/u', sealed(later, new ByteWriter().text('in a form that is yet to be thought of'))],
    ],
    remove: [],
  })
  await expect(load(disk)).rejects.toThrow(
    /format 4; this version of stormo reads formats 2 to 3\. Run the version that/,
  )
  expect([...disk.load('')].map(([name, record]) => [name, record[0]])).toEqual([
    ['d/u', later],
    ['m/boot', later],
    ['m/format', later],
  ])
})
