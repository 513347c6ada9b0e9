import { describe, expect, it } from 'vitest'
import { mergeKubeconfigs } from '../../src/client/kubeconfig.ts'
import { KubeconfigFiles } from './kubeconfig-files.ts'
import { parseProperty, setProperty, unsetProperty } from './properties.ts'

const files = () =>
  new KubeconfigFiles([
    {
      path: '/nonexistent/a',
      changed: false,
      config: {
        'current-context': 'c',
        clusters: [{ name: 'my.demo', cluster: { server: 'https://a' } }],
        contexts: [{ name: 'c', context: { cluster: 'my.demo', user: 'u' } }],
      },
    },
    {
      path: '/nonexistent/b',
      changed: false,
      config: { 'current-context': 'other', clusters: [{ name: 'my.demo', cluster: { server: 'https://b' } }] },
    },
  ])

describe('a property of a kubeconfig', () => {
  it.each([
    ['current-context', { kind: 'current' }],
    ['users', { kind: 'entries', section: 'users' }],
    ['clusters.my.demo', { kind: 'entries', section: 'clusters', name: 'my.demo' }],
    ['clusters.my.demo.server', { kind: 'entries', section: 'clusters', name: 'my.demo', field: 'server' }],
    ['clusters.server', { kind: 'entries', section: 'clusters', name: 'server' }],
  ])('%s is understood', (text, expected) => expect(parseProperty(text)).toEqual(expected))

  it('is set where its entry stands', () => {
    const set = files()
    setProperty(set, 'clusters.my.demo.server', 'https://c', false)
    expect(set.all().map(({ config }) => config.clusters?.[0]?.cluster?.server)).toEqual(['https://c', 'https://b'])
  })

  it.each([
    ['clusters.x.insecure-skip-tls-verify', 'true', false, true],
    ['clusters.x.certificate-authority-data', 'aGk=', false, 'aGk='],
    ['clusters.x.certificate-authority-data', 'hi', true, 'aGk='],
    ['users.x.as-groups', 'a,b', false, ['a', 'b']],
  ] as const)('%s takes %s', (property, value, isRaw, expected) => {
    const set = files()
    setProperty(set, property, value, isRaw)
    const [section = '', name = '', field = ''] = property.split('.')
    const entry = set.entry(section as 'clusters', name) as unknown as Record<string, Record<string, unknown>>
    expect(entry[section.slice(0, -1)]?.[field]).toEqual(expected)
  })

  it.each([
    ['clusters.x.insecure-skip-tls-verify', 'maybe', /must be true or false/],
    ['clusters.x.certificate-authority-data', '?', /base64/],
    ['clusters.x', 'y', /is no single value/],
    ['nonsense.x', 'y', /unable to parse/],
  ])('%s refuses %s', (property, value, message) =>
    expect(() => setProperty(files(), property, value, false)).toThrow(message),
  )

  it('is taken away with what it holds', () => {
    const set = files()
    unsetProperty(set, 'contexts.c.user')
    expect(set.entry('contexts', 'c')).toEqual({ name: 'c', context: { cluster: 'my.demo' } })
    unsetProperty(set, 'clusters.my.demo')
    expect(set.entry('clusters', 'my.demo')).toBeUndefined()
    expect(() => unsetProperty(set, 'users.nobody.token')).toThrow('current map key `nobody` is invalid')
  })
})

it('of several kubeconfigs the first counts', () => {
  const merged = mergeKubeconfigs(
    files()
      .all()
      .map(({ config }) => config),
  )
  expect(merged['current-context']).toBe('c')
  expect(merged.clusters).toEqual([{ name: 'my.demo', cluster: { server: 'https://a' } }])
})
