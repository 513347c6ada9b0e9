import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { exec } from './exec.ts'
import { createShellPool } from './shell-pool.ts'

const pool = createShellPool({ size: 2 })
afterAll(() => pool.stop())

test('whatever the words and the input are, a program gets them as they are', async () => {
  const word = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''))
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 4 }), word, async (words, input) => {
      const args = ['-c', 'cat; printf "%s|" "$@"; printf err >&2; exit 3', 'sh', ...words]
      const plain = await exec('sh', args, { input: /[^\n]$/u.test(input) ? `${input}\n` : input })
      expect(await pool.exec('sh', args, { input })).toEqual(plain)
    }),
    { numRuns: 40 },
  )
})

test('long input and long output pass whole', async () => {
  const input = 'a line of text\n'.repeat(50_000)
  const { code, stdout } = await pool.exec('cat', [], { input })
  expect(code).toBe(0)
  expect(stdout === input).toBe(true)
})

test('so many run at once, the others wait', async () => {
  const results = await Promise.all(
    Array.from({ length: 6 }, (_, index) => pool.exec('sh', ['-c', `echo ${index}; echo $PPID >&2`])),
  )
  expect(results.map((one) => one.stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n', '5\n'])
  expect(new Set(results.map((one) => one.stderr)).size).toBe(2)
})

test('a program that is missing is an error, as with exec', async () => {
  const missing = { code: 'ENOENT', syscall: 'spawn no-such-program' }
  await expect(exec('no-such-program', [])).rejects.toMatchObject(missing)
  await expect(pool.exec('no-such-program', [])).rejects.toMatchObject(missing)
})

test('one that takes too long is ended, and the next one runs', async () => {
  await expect(pool.exec('sleep', ['600'], { timeoutMs: 50 })).rejects.toThrow('sleep: not done within 50 ms')
  expect((await pool.exec('echo', ['on'])).stdout).toBe('on\n')
})

test('after a shell was killed another one takes its place', async () => {
  const { stdout } = await pool.exec('sh', ['-c', 'echo $PPID'])
  process.kill(Number(stdout), 'SIGKILL')
  await sleep(20)
  const results = await Promise.allSettled([pool.exec('echo', ['a']), pool.exec('echo', ['b'])])
  expect((await pool.exec('echo', ['c'])).stdout).toBe('c\n')
  expect(results.some((one) => one.status === 'fulfilled')).toBe(true)
})

test('a pool that is stopped refuses what waits, and starts no shell for it', async () => {
  const short = createShellPool({ size: 1 })
  const results = [short.exec('sleep', ['600']), short.exec('echo', ['late'])].map((one) => one.catch(String))
  await sleep(20)
  short.stop()
  expect(await Promise.all(results)).toEqual([
    'Error: the shell that starts programs has ended',
    'Error: echo: was not started any more',
  ])
  expect((await short.exec('echo', ['alone'])).stdout).toBe('alone\n')
})
