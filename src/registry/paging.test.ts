import { expect, test } from 'vitest'
import type { Status } from '../api/kinds.ts'
import type { StatusError } from '../api/status-error.ts'
import { createPager } from './paging.ts'

test('a token whose cut is gone says how to go on without it', async () => {
  let nowMs = 0
  const pager = createPager({ nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel() {} }) }, 1000)
  const items = ['a', 'b', 'c'].map((name) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'n' },
  }))
  const list = { items, resourceVersion: '5' }
  const first = pager.first({ group: '', resource: 'configmaps' }, list, 1, true)
  nowMs = 2000
  const expired = await pager
    .next(first.continue ?? '', async () => list, 1, true)
    .catch((error: StatusError) => error.toStatus())
  expect(expired).toMatchObject({ code: 410, reason: 'Expired' })
  const token = ((expired as Status).metadata as { continue: string } | undefined)?.continue ?? ''
  const newer = { items: items.filter(({ metadata }) => metadata.name !== 'b'), resourceVersion: '9' }
  expect(await pager.next(token, async () => newer, 5, true)).toMatchObject({
    items: [{ metadata: { name: 'c' } }],
    resourceVersion: '9',
  })
  const more = {
    items: [...newer.items, { ...items[0]!, metadata: { name: 'd', namespace: 'n' } }],
    resourceVersion: '9',
  }
  const second = await pager.next(token, async () => more, 1, true)
  expect(second).toMatchObject({ items: [{ metadata: { name: 'c' } }], remainingItemCount: 1 })
  // From here on the pages are of one cut again, whatever happens in between.
  expect(
    await pager.next(second.continue ?? '', async () => ({ items: [], resourceVersion: '12' }), 1, true),
  ).toMatchObject({
    items: [{ metadata: { name: 'd' } }],
    resourceVersion: '9',
  })
})
