import { expect, it } from 'vitest'
import type { Kubeconfig } from '../../src/client/kubeconfig.ts'
import { flattened, minified, redacted } from './view.ts'

const config: Kubeconfig = {
  'current-context': 'a',
  clusters: [
    { name: 'a', cluster: { server: 'https://a', 'certificate-authority': '/ca.crt' } },
    { name: 'b', cluster: { server: 'https://b', 'certificate-authority-data': 'eA==' } },
  ],
  users: [
    { name: 'a', user: { token: 'secret' } },
    { name: 'b', user: { 'client-key-data': 'eA==' } },
  ],
  contexts: [
    { name: 'a', context: { cluster: 'a', user: 'a' } },
    { name: 'b', context: { cluster: 'b', user: 'b' } },
  ],
}

it('shows no secrets', () => {
  const text = JSON.stringify(redacted(config))
  expect(text).not.toMatch(/secret|eA==/)
  expect(text).toContain('https://b')
})

it('leaves out what the current context does not need', () => {
  const { clusters, users, contexts } = minified(config)
  expect([clusters, users, contexts].map((list) => list?.map(({ name }) => name))).toEqual([['a'], ['a'], ['a']])
  expect(() => minified({ ...config, 'current-context': '' })).toThrow('must exist in order to minify')
})

it('holds the contents of its files', () => {
  expect(flattened(config, (path) => Buffer.from(`of ${path}`)).clusters?.[0]?.cluster).toEqual({
    server: 'https://a',
    'certificate-authority-data': Buffer.from('of /ca.crt').toString('base64'),
  })
})
