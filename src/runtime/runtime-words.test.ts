import { Readable } from 'node:stream'
import fc from 'fast-check'
import { extract } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { containerName, parseContainerName } from './container-names.ts'
import { demultiplex } from './docker/stream-frames.ts'
import { isLatest, parseImageReference } from './image-reference.ts'
import { pauseBinary } from './pause-binary.ts'
import { pauseImageArchive } from './pause-image.ts'

describe('image references', () => {
  test.each([
    ['nginx', { registry: 'docker.io', repository: 'library/nginx', tag: 'latest', digest: undefined }],
    ['team/app:v1', { registry: 'docker.io', repository: 'team/app', tag: 'v1', digest: undefined }],
    ['localhost:5000/app', { registry: 'localhost:5000', repository: 'app', tag: 'latest', digest: undefined }],
    ['reg.io/a/b:1.2', { registry: 'reg.io', repository: 'a/b', tag: '1.2', digest: undefined }],
    [
      `reg.io/a@sha256:${'0'.repeat(64)}`,
      { registry: 'reg.io', repository: 'a', tag: undefined, digest: `sha256:${'0'.repeat(64)}` },
    ],
  ])('%s', (text, parsed) => {
    expect(parseImageReference(text)).toEqual(parsed)
  })

  test.each(['', 'Upper', 'a:b:c', 'a b', 'a@sha256:12', '/a', 'a//b', 'a:-tag'])('%j is none', (text) => {
    expect(parseImageReference(text)).toBeUndefined()
  })

  test('the default pull policy follows the tag', () => {
    expect([isLatest('a'), isLatest('a:latest'), isLatest('a:1'), isLatest(`a@sha256:${'0'.repeat(64)}`)]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})

test('container names can be read back', () => {
  const part = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/)
  fc.assert(
    fc.property(part, part, part, part, fc.nat(), (container, name, namespace, uid, attempt) => {
      const parsed = { pod: { name, namespace, uid }, container, attempt }
      expect(parseContainerName(`/${containerName(parsed)}`)).toEqual(parsed)
    }),
  )
})

test('a multiplexed stream comes apart however it is cut', async () => {
  const frame = (stream: number, text: string): Buffer => {
    const header = Buffer.alloc(8)
    header[0] = stream
    header.writeUInt32BE(Buffer.byteLength(text), 4)
    return Buffer.concat([header, Buffer.from(text)])
  }
  const bytes = Buffer.concat([frame(1, 'one\n'), frame(2, 'err\n'), frame(1, ''), frame(1, 'two\n')])
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: bytes.length - 1 })), async (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
      const seen: string[] = []
      for await (const { stream, data } of demultiplex(Readable.from(chunks), true)) {
        seen.push(`${stream} ${Buffer.from(data).toString()}`)
      }
      expect(seen).toEqual(['stdout one\n', 'stderr err\n', 'stdout two\n'])
    }),
  )
})

describe('the sandbox image', () => {
  test.each([
    ['amd64', 0x3e],
    ['arm64', 0xb7],
  ] as const)('%s is an executable for its machine', (architecture, machine) => {
    const view = Buffer.from(pauseBinary(architecture))
    expect(view.subarray(0, 4).toString('latin1')).toBe('\x7fELF')
    expect(view.readUInt16LE(18)).toBe(machine)
    // The one segment holds the whole file, and the entry is inside it.
    expect(view.readBigUInt64LE(96)).toBe(BigInt(view.length))
    expect(view.readBigUInt64LE(24) - view.readBigUInt64LE(80)).toBeLessThan(BigInt(view.length))
  })

  test('is the same archive every time, and names its layer', async () => {
    const [first, second] = [await pauseImageArchive('amd64'), await pauseImageArchive('amd64')]
    expect(Buffer.compare(first, second)).toBe(0)
    const names: string[] = []
    const reader = extract()
    const reading = (async () => {
      for await (const entry of reader) {
        names.push(entry.header.name)
        entry.resume()
      }
    })()
    reader.end(Buffer.from(first))
    await reading
    expect(names).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}\.json$/),
      expect.stringMatching(/^[0-9a-f]{64}\/layer\.tar$/),
      'manifest.json',
    ])
  })
})
