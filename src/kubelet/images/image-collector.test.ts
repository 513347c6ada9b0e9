import { expect, test } from 'vitest'
import type { RuntimeImage } from '../../runtime/runtime.ts'
import { imagesToRemove } from './image-collector.ts'

const image = (id: string, sizeBytes = 100, tags: string[] = [`${id}:1`]): RuntimeImage => ({
  id,
  tags,
  sizeBytes,
  digests: [],
  user: '',
  env: [],
  entrypoint: [],
  command: [],
})

const hour = 3_600_000
const remove = (images: RuntimeImage[], used: string[], lastUsed: Record<string, number>, bytes: number) =>
  imagesToRemove(images, new Set(used), new Map(Object.entries(lastUsed)), 10 * hour, bytes).map(({ id }) => id)

test('the longest unused goes first, and no more than is needed', () => {
  const all = [image('young'), image('old'), image('older')]
  expect(remove(all, [], { young: 9 * hour, old: 2 * hour, older: hour }, 150)).toEqual(['older', 'old'])
})

test('what is in use, has just come or is the sandbox stays', () => {
  const all = [image('used'), image('new'), image('pause', 100, ['stormo/pause:1']), image('idle')]
  expect(remove(all, ['used'], { used: 0, new: 10 * hour - 1, pause: 0, idle: 0 }, Infinity)).toEqual(['idle'])
})
