import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { identifyProcess, isRunning } from './process-identity.ts'

test('a process is the same one while it replaces itself, and is gone when it has ended', async () => {
  const child = spawn('sh', ['-c', 'read go; exec sh -c "echo second; read end"'])
  const first = identifyProcess(child.pid!)!
  child.stdin.write('\n')
  let looks = 0
  const heard = once(child.stdout, 'data').then(() => (looks = -1))
  while (looks >= 0) {
    expect(isRunning(first)).toBe(true)
    if (++looks % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await heard
  child.stdin.end()
  await once(child, 'exit')
  expect(isRunning(first)).toBe(false)
})

test('a pid that belongs to another process now does not count', () => {
  const own = identifyProcess(process.pid)!
  expect(isRunning(own)).toBe(true)
  expect(isRunning({ ...own, startTicks: String(Number(own.startTicks) - 1) })).toBe(false)
})
