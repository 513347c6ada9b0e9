import { expect, test } from 'vitest'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { createMemoryReducer } from './memory-reducer.ts'

const megabyte = 1024 * 1024

async function reducer() {
  const clock = new VirtualClock()
  const state = { usedMegabytes: 80, utilization: 1, collections: 0 }
  const service = createMemoryReducer({
    clock,
    residentBytes: () => state.usedMegabytes * megabyte,
    utilization: () => state.utilization,
    collect() {
      state.collections++
      state.usedMegabytes = 60
    },
  })
  await service.start()
  return { clock, state, service }
}

test('what a busy time left is collected once it is over, and not again for nothing', async () => {
  const { clock, state } = await reducer()
  await clock.pass(60_000)
  expect(state.collections).toBe(0)
  state.utilization = 0.01
  await clock.pass(15_000)
  expect(state.collections).toBe(1)
  await clock.pass(600_000)
  expect(state.collections).toBe(1)
})

test('garbage that comes quickly is collected once in two minutes at most', async () => {
  const { clock, state } = await reducer()
  state.utilization = 0.01
  for (let second = 0; second < 300; second++) {
    state.usedMegabytes += 5
    await clock.pass(1_000)
  }
  expect(state.collections).toBe(3)
})

test('it ends with its owner', async () => {
  const { clock, state, service } = await reducer()
  await service.stop()
  state.utilization = 0
  await clock.pass(600_000)
  expect(state.collections).toBe(0)
})
