import { expect, test } from 'vitest'
import { dockerError } from './docker-error.ts'

test('the daemon’s words are told without those of the client', () => {
  const error = Object.assign(
    new Error('(HTTP code 500) server error - Get "https://nowhere.example/v2/": no route '),
    {
      statusCode: 500,
    },
  )
  expect(dockerError(error)).toMatchObject({ kind: 'failed', message: 'Get "https://nowhere.example/v2/": no route' })
})

test('a daemon that is not there is told from one that refuses', () => {
  const gone = Object.assign(new Error('connect ENOENT /run/docker.sock'), { code: 'ENOENT' })
  expect(dockerError(gone)).toMatchObject({ kind: 'unreachable', message: 'connect ENOENT /run/docker.sock' })
  const refused = Object.assign(new Error('(HTTP code 409) unexpected - name in use'), { statusCode: 409 })
  expect(dockerError(refused)).toMatchObject({ kind: 'conflict', message: 'name in use' })
})

test('an abort stays one', () => {
  const aborted = new DOMException('stopped', 'AbortError')
  expect(dockerError(aborted)).toBe(aborted)
})
