import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyJsonPatch } from './json-patch.ts'
import { sameJson } from '../lib/same-json.ts'
import { applyMergePatch, createMergePatch } from './merge-patch.ts'
import { applyStrategicPatch } from './strategic-patch.ts'
import { loadBuiltinSchemas } from './graph.ts'

const podSpec = loadBuiltinSchemas().get('io.k8s.api.core.v1.PodSpec')!
const deploymentSpec = loadBuiltinSchemas().get('io.k8s.api.apps.v1.DeploymentSpec')!
const objectMeta = loadBuiltinSchemas().get('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')!

/** JSON without null, which a merge patch cannot express inside a value. */
const withoutNull = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, fc.string(), fc.integer(), fc.boolean(), tie('list'), tie('object')),
  list: fc.array(tie('value'), { maxLength: 3 }),
  object: fc.dictionary(fc.string({ maxLength: 3 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
})).object

describe('merge patch', () => {
  it('leads from any document to any other', () => {
    fc.assert(
      fc.property(withoutNull, withoutNull, (from, to) => {
        expect(sameJson(applyMergePatch(from, createMergePatch(from, to)), to)).toBe(true)
      }),
    )
  })

  it('leaves its inputs alone', () => {
    const document = Object.freeze({ a: Object.freeze({ b: 1, c: 2 }) })
    expect(applyMergePatch(document, { a: { b: null } })).toEqual({ a: { c: 2 } })
    expect(document).toEqual({ a: { b: 1, c: 2 } })
  })
})

describe('JSON patch', () => {
  it('applies operations in order to a copy', () => {
    const document = Object.freeze({ a: 1 })
    const patch = [
      { op: 'test', path: '/a', value: 1 },
      { op: 'add', path: '/b', value: [1] },
      { op: 'copy', from: '/b', path: '/c' },
      { op: 'remove', path: '/a' },
    ]
    expect(applyJsonPatch(document, patch)).toEqual({ b: [1], c: [1] })
  })

  it.each(['add', 'replace'])(
    '%s without a value writes null, as encoders that leave out what is empty need it',
    (op) => {
      expect(applyJsonPatch({ metadata: { labels: { a: 'b' } } }, [{ op, path: '/metadata/labels' }])).toEqual({
        metadata: { labels: null },
      })
    },
  )

  it.each([
    [[{ op: 'test', path: '/a', value: 2 }]],
    [[{ op: 'remove', path: '/missing' }]],
    [[{ op: 'add', path: '/__proto__/x', value: 1 }]],
    [[{ op: 'frob', path: '/a' }]],
  ])('answers 422 to %j', (patch) => {
    expect(() => applyJsonPatch({ a: 1 }, patch)).toThrow(expect.objectContaining({ code: 422 }))
  })

  it('refuses a failed test of an object without a prototype, as the parser makes them', () => {
    const patch = [{ op: 'test', path: '/a', value: Object.create(null) as unknown }]
    expect(() => applyJsonPatch({ a: 1 }, patch)).toThrow(expect.objectContaining({ code: 422 }))
  })

  it('answers 400 to what is no list and 413 beyond its bounds', () => {
    expect(() => applyJsonPatch({}, {})).toThrow(expect.objectContaining({ code: 400 }))
    const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 }))
    expect(() => applyJsonPatch({ a: 1 }, many)).toThrow(expect.objectContaining({ code: 413 }))
    const doubling = Array.from({ length: 40 }, (_, at) => ({ op: 'copy', from: '', path: `/k${at}` }))
    expect(() => applyJsonPatch({ a: 'x'.repeat(1000) }, doubling)).toThrow(expect.objectContaining({ code: 413 }))
  })
})

describe('strategic merge patch', () => {
  const spec = {
    containers: [
      { name: 'a', image: 'a:1', ports: [{ containerPort: 80, name: 'http' }] },
      { name: 'b', image: 'b:1' },
    ],
    volumes: [{ name: 'v', emptyDir: {} }],
    tolerations: [{ key: 'x' }],
  }

  it('merges lists by their key and keeps the other elements', () => {
    const patched = applyStrategicPatch(spec, { containers: [{ name: 'b', image: 'b:2' }, { name: 'c' }] }, podSpec)
    expect(patched).toMatchObject({ containers: [spec.containers[0], { name: 'b', image: 'b:2' }, { name: 'c' }] })
  })

  it('replaces lists without a merge strategy', () => {
    expect(applyStrategicPatch(spec, { tolerations: [{ key: 'y' }] }, podSpec)).toMatchObject({
      tolerations: [{ key: 'y' }],
    })
  })

  it('obeys $patch: delete and replace in elements, objects and lists', () => {
    const deleted = applyStrategicPatch(spec, { containers: [{ name: 'a', $patch: 'delete' }] }, podSpec)
    expect(deleted).toMatchObject({ containers: [{ name: 'b' }] })
    const replaced = applyStrategicPatch(spec, { containers: [{ name: 'z' }, { $patch: 'replace' }] }, podSpec)
    expect(replaced).toMatchObject({ containers: [{ name: 'z' }] })
    const element = { containers: [{ name: 'a', securityContext: { $patch: 'replace', privileged: true } }] }
    expect(applyStrategicPatch(spec, element, podSpec)).toMatchObject({
      containers: [{ name: 'a', securityContext: { privileged: true } }, { name: 'b' }],
    })
  })

  it('obeys $retainKeys', () => {
    const patch = { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/' } }] }
    expect(applyStrategicPatch(spec, patch, podSpec)).toMatchObject({
      volumes: [{ name: 'v', hostPath: { path: '/' } }],
    })
    const rolling = { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } }
    const recreate = { strategy: { $retainKeys: ['type'], type: 'Recreate' } }
    expect(applyStrategicPatch(rolling, recreate, deploymentSpec)).toEqual({ strategy: { type: 'Recreate' } })
  })

  it('obeys $setElementOrder and keeps elements that it does not name in place', () => {
    const patch = { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'c' }] }
    const result = applyStrategicPatch(spec, patch, podSpec) as typeof spec
    expect(result.containers.map(({ name }) => name)).toEqual(['b', 'a', 'c'])
  })

  it('merges and deletes in lists of scalars', () => {
    const meta = { finalizers: ['a', 'b'] }
    const patch = { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c', 'b'] }
    expect(applyStrategicPatch(meta, patch, objectMeta)).toEqual({ finalizers: ['b', 'c'] })
  })

  it.each([
    [{ containers: [{ image: 'x' }] }, 'does not contain declared merge key: name'],
    [{ $patch: 'frob' }, 'Unknown patch type'],
    [{ containers: ['x'] }, 'must be an object'],
    [{ '$deleteFromPrimitiveList/x': 1 }, 'must be a list'],
  ])('refuses %j', (patch, message) => {
    expect(() => applyStrategicPatch(spec, patch, podSpec)).toThrow(
      expect.objectContaining({ code: 400, message: expect.stringContaining(message) }),
    )
  })
})
