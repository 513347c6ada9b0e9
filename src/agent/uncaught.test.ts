import { spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { silentLogger } from '../lib/log.ts'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { endOnUncaught, type Program } from './uncaught.ts'

test('a fault is logged and ends the agent; services that do not stop are not waited for', async () => {
  const program = Object.assign(new EventEmitter(), { exit: vi.fn<(code: number) => void>() })
  const error = vi.fn<(fields: object) => void>()
  const clock = new VirtualClock()
  const { signal } = endOnUncaught(program as Program, clock, { ...silentLogger, error })
  const fault = new Error('unthought of')
  program.emit('uncaughtException', fault, 'uncaughtException')
  program.emit('uncaughtException', new Error('and so another'), 'uncaughtException')
  expect(signal.reason).toMatchObject({ cause: fault })
  expect(error.mock.calls.map(([fields]) => fields)).toEqual([
    { err: fault, origin: 'uncaughtException' },
    { err: new Error('and so another'), origin: 'uncaughtException' },
  ])
  await clock.pass(10_000)
  expect(program.exit).not.toHaveBeenCalled()
  await clock.pass(10_000)
  expect(program.exit.mock.calls).toEqual([[1]])
})

test('a promise that is rejected unheard ends a process in order, with its stack in the log', () => {
  const here = (path: string) => JSON.stringify(join(import.meta.dirname, path))
  const program = `
    import { endOnUncaught } from ${here('uncaught.ts')}
    import { createLogger } from ${here('log.ts')}
    import { systemClock } from ${here('../lib/system.ts')}
    const { signal } = endOnUncaught(process, systemClock, createLogger('info', 'n1'))
    signal.addEventListener('abort', () => {
      console.error('stopping: ' + signal.reason.message)
      process.exit(1)
    })
    setTimeout(() => {}, 60_000)
    void (async function reconcile() { throw new Error('unthought of') })()
  `
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  })
  expect(status).toBe(1)
  expect(stderr).toContain('stopping: the agent ended over a fault that nobody caught')
  expect(JSON.parse(stdout)).toMatchObject({
    origin: 'unhandledRejection',
    err: { message: 'unthought of', stack: expect.stringContaining('at reconcile') as string },
  })
})
