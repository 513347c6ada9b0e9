import { expect, test } from 'vitest'
import { VirtualClock } from '../../lib/testing/virtual-clock.ts'
import { describeRuntimeContract } from '../testing/runtime-contract.ts'
import { createSimulatedRuntime } from './simulated-runtime.ts'

describeRuntimeContract('the simulated runtime', async () => {
  const clock = new VirtualClock()
  const exec = (command: readonly string[]) => ({ exitCode: 0, output: `${command.slice(1).join(' ')}\n` })
  const runtime = createSimulatedRuntime({ clock, images: ['busybox:1'], exec })
  return {
    runtime,
    image: 'busybox:1',
    async until(condition) {
      while (!(await condition())) await clock.pass(10)
    },
    async during(work) {
      const passing = clock.pass(1_000)
      const result = await work
      await passing
      return result
    },
    close: async () => {},
  }
})

test('an unreachable daemon is told from one that says no', async () => {
  const runtime = createSimulatedRuntime({ clock: new VirtualClock() })
  runtime.setReachable(false)
  await expect(runtime.list()).rejects.toMatchObject({ kind: 'unreachable' })
  await expect(runtime.version()).rejects.toMatchObject({ kind: 'unreachable' })
})
