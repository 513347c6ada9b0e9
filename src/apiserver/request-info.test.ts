import { expect, test } from 'vitest'
import { parseRequestInfo } from './request-info.ts'

const infoOf = (path: string) => parseRequestInfo('GET', new URL(`https://x${path}`))

test.each([
  ['list', 'a', '?fieldSelector=metadata.name%3Da'],
  ['watch', 'a', '?fieldSelector=metadata.name%3D%3Da,metadata.namespace%3Dn&watch=1'],
  ['list', '', '?fieldSelector=metadata.name!%3Da'],
  ['list', '', '?fieldSelector=metadata.name%3Da/b'],
  ['list', '', '?fieldSelector=not%20a%20selector'],
  ['get', 'b', '/b?fieldSelector=metadata.name%3Da'],
])('a %s is about the name "%s": %s', (verb, name, rest) => {
  expect(infoOf(`/api/v1/namespaces/n/configmaps${rest}`)).toMatchObject({ verb, name, namespace: 'n' })
})
