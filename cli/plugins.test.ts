import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { findPlugin, listPlugins } from './plugins.ts'

const root = mkdtempSync(join(tmpdir(), 'stormo-plugins-'))
afterAll(() => rmSync(root, { recursive: true }))

const make = (path: string, mode = 0o755): void => {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), '#!/bin/sh\n')
  chmodSync(join(root, path), mode)
}
make('a/kubectl-foo')
make('a/stormo-foo-bar')
make('a/kubectl-view_secret')
make('a/kubectl-get')
make('b/kubectl-foo')
make('b/stormo-plain', 0o644)
const env = { PATH: [join(root, 'a'), join(root, 'missing'), join(root, 'b')].join(':') }

it.each([
  [['foo'], 'a/kubectl-foo', []],
  [['foo', 'x', '-v'], 'a/kubectl-foo', ['x', '-v']],
  [['foo', 'bar', 'x'], 'a/stormo-foo-bar', ['x']],
  [['foo', '-v', 'bar'], 'a/kubectl-foo', ['-v', 'bar']],
  [['view-secret', 'my-secret'], 'a/kubectl-view_secret', ['my-secret']],
])('%j runs %s', (argv, path, args) => expect(findPlugin(argv, env)).toEqual({ path: join(root, path), args }))

it.each([[['plain']], [['nothing']], [['../a/kubectl-foo']], [[]]])('%j runs nothing', (argv) =>
  expect(findPlugin(argv, env)).toBeUndefined(),
)

it('lists them with what keeps one from being run', () => {
  const warned = listPlugins(env, new Set(['get'])).map(({ path, warnings }) => [
    path.slice(root.length + 1),
    warnings.map((text) => /not executable|overshadowed|overwrites/.exec(text)?.[0]),
  ])
  expect(warned).toEqual([
    ['a/kubectl-foo', []],
    ['a/kubectl-get', ['overwrites']],
    ['a/kubectl-view_secret', []],
    ['a/stormo-foo-bar', []],
    ['b/kubectl-foo', ['overshadowed']],
    ['b/stormo-plain', ['not executable']],
  ])
})
