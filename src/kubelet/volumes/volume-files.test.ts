import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import { writeAtomically } from './atomic-writer.ts'
import { prepareHostPath } from './host-path.ts'
import { configMapPayload, projectedPayload, type Payload } from './payload.ts'
import { resolveSubPath } from './sub-path.ts'

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'volume-test-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const files = (contents: Record<string, string>): Payload =>
  new Map(Object.entries(contents).map(([path, text]) => [path, { content: Buffer.from(text), mode: 0o640 }]))

describe('atomic writes', () => {
  test('a new version replaces all files, and nothing of the old one stays', async () => {
    await writeAtomically(root, files({ a: '1', 'dir/b': '2' }), 'v1')
    expect(await readFile(join(root, 'dir/b'), 'utf8')).toBe('2')
    expect((await stat(join(root, 'a'))).mode & 0o777).toBe(0o640)
    await writeAtomically(root, files({ a: '3' }), 'v2')
    expect(await readFile(join(root, 'a'), 'utf8')).toBe('3')
    expect((await readdir(root)).toSorted()).toEqual(['..data', '..v2', 'a'])
  })

  test.each(['../x', '/x', 'a/../../x', '..x'])('%s stays inside', async (path) => {
    await expect(writeAtomically(root, files({ [path]: '' }), 'v1')).rejects.toThrow(
      /stay inside the volume|no such file/,
    )
  })
})

describe('subPath', () => {
  test('is made when missing', async () => {
    expect(await resolveSubPath(root, 'a/b')).toBe(join(root, 'a/b'))
    expect((await stat(join(root, 'a/b'))).isDirectory()).toBe(true)
  })

  test('a link out of the volume is refused', async () => {
    await symlink('/etc', join(root, 'out'))
    await expect(resolveSubPath(root, 'out')).rejects.toThrow('leads out of its volume')
    await expect(resolveSubPath(root, '../x')).rejects.toThrow("must not contain '..'")
  })
})

test('hostPath types are checked, and made where their name says so', async () => {
  await prepareHostPath(join(root, 'dir'), 'DirectoryOrCreate')
  await prepareHostPath(join(root, 'file'), 'FileOrCreate')
  await prepareHostPath(join(root, 'file'), 'File')
  await expect(prepareHostPath(join(root, 'file'), 'Directory')).rejects.toThrow('is not a directory')
  await expect(prepareHostPath(join(root, 'none'), 'Directory')).rejects.toThrow('is not a directory')
  await mkdir(join(root, 'sub'))
  await expect(prepareHostPath(join(root, 'sub'), 'Socket')).rejects.toThrow('is not a socket file')
})

test('named keys of a ConfigMap, optional or not', () => {
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: '1', b: '2' } }
  const sources = { configMap: (name: string) => (name === 'c' ? configMap : undefined), secret: () => undefined }
  const one = configMapPayload('c', { items: [{ key: 'a', path: 'x/y', mode: 0o400 }] }, sources)
  expect([...one]).toEqual([['x/y', { content: Buffer.from('1'), mode: 0o400 }]])
  expect(() => configMapPayload('c', { items: [{ key: 'z', path: 'z' }] }, sources)).toThrow(
    'references non-existent configmap key: z',
  )
  expect(() => configMapPayload('d', {}, sources)).toThrow('configmap "d" not found')
  expect(configMapPayload('d', { optional: true }, sources).size).toBe(0)
})

test.each([
  ['the user that all containers share', { securityContext: { runAsUser: 7 } }, { mode: 0o600, user: 7 }],
  ['the group of the pod', { securityContext: { fsGroup: 5 } }, { mode: 0o600 }],
  ['everybody, where nobody is named', {}, { mode: 0o644 }],
])('a token is for %s', (_name, spec, access) => {
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: { containers: [{ name: 'main' }], ...spec } }
  const projections = [{ serviceAccountToken: { path: 'token' } }]
  const facts = { podIp: undefined, hostIp: '', allocatable: {} }
  const none = { configMap: () => undefined, secret: () => undefined }
  const payload = projectedPayload(pod, projections, 0o644, none, facts, new Map([['token', 'x']]))
  expect(payload.get('token')).toEqual({ content: Buffer.from('x'), ...access })
})
