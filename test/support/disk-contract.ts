import { expect, test } from 'vitest'
import type { Disk } from '../../src/store/disk.ts'

/** What every Disk promises. `reopen` closes the disk and opens the same data again. */
export function diskContract(
  open: () => Promise<{ disk: Disk; reopen(): Promise<Disk>; dispose(): Promise<void> }>,
): void {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const all = (disk: Disk, prefix: string) =>
    [...disk.load(prefix)].map(([key, value]) => [key, new TextDecoder().decode(value)])

  test('a commit puts and removes together, and survives reopening', async () => {
    const { disk, reopen, dispose } = await open()
    await disk.commit({
      put: [
        ['a/1', bytes('one')],
        ['a/2', bytes('two')],
        ['b/1', bytes('other')],
      ],
      remove: [],
    })
    await disk.commit({ put: [['a/3', bytes('three')]], remove: ['a/1', 'never'] })
    const again = await reopen()
    expect(all(again, 'a/')).toEqual([
      ['a/2', 'two'],
      ['a/3', 'three'],
    ])
    expect(again.get('b/1')).toEqual(bytes('other'))
    expect(again.get('a/1')).toBeUndefined()
    await dispose()
  })

  test('commits take effect in the order of the calls', async () => {
    const { disk, reopen, dispose } = await open()
    const texts = Array.from({ length: 50 }, (_, index) => `value ${index}`)
    await Promise.all(texts.map((text) => disk.commit({ put: [['k', bytes(text)]], remove: [] })))
    expect(all(await reopen(), '')).toEqual([['k', 'value 49']])
    await dispose()
  })

  test('loads in order of keys, and hands out copies', async () => {
    const { disk, dispose } = await open()
    const value = bytes('x')
    await disk.commit({
      put: [
        ['p/b', value],
        ['p/a', value],
        ['p/c', value],
        ['q', value],
      ],
      remove: [],
    })
    value[0] = 0
    disk.get('p/a')?.fill(0)
    expect(all(disk, 'p/')).toEqual([
      ['p/a', 'x'],
      ['p/b', 'x'],
      ['p/c', 'x'],
    ])
    await dispose()
  })
}
