import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../api/object.ts'
import { applyPatch, updateManagedFields } from './apply.ts'
import { difference, type FieldSet, intersection, isEmptySet, sameSet, union } from './field-set.ts'
import { decodeFieldsV1, encodeFieldsV1 } from './fields-v1.ts'
import { loadBuiltinSchemas } from './graph.ts'
import { maxUpdateManagers } from './managed-fields.ts'
import { fieldSetOf } from './typed-fields.ts'

const schema = loadBuiltinSchemas().byKind('apps', 'v1', 'Deployment')!
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`
const by = (manager: string, second = 0) => ({ manager, apiVersion: 'apps/v1', now: at(second) })

interface Deployment extends KubeObject {
  spec: { replicas?: number; template: { spec: { containers: Record<string, unknown>[] } } }
}
const deployment = (containers: Record<string, unknown>[], extra: object = {}, metadata: object = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', ...metadata },
  spec: { ...extra, template: { spec: { containers } } },
})
const entryOf = (object: KubeObject, manager: string) =>
  object.metadata.managedFields?.find((entry) => entry.manager === manager)

describe('updateManagedFields', () => {
  it('gives a creator what it set, as upstream writes it', () => {
    const object = deployment(
      [{ name: 'c', image: 'i', resources: {}, ports: [{ containerPort: 80, protocol: 'TCP' }] }],
      {
        replicas: 3,
        selector: { matchLabels: { a: 'b' } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
      },
      { labels: { app: 'x' } },
    )
    const created = updateManagedFields(schema, undefined, object, by('kubectl-create'))
    expect(entryOf(created, 'kubectl-create')).toEqual({
      manager: 'kubectl-create',
      operation: 'Update',
      apiVersion: 'apps/v1',
      time: at(0),
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
        'f:spec': {
          'f:replicas': {},
          'f:selector': {},
          'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {} }, 'f:type': {} },
          'f:template': {
            'f:spec': {
              'f:containers': {
                'k:{"name":"c"}': {
                  '.': {},
                  'f:image': {},
                  'f:name': {},
                  'f:ports': {
                    '.': {},
                    'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
                  },
                  'f:resources': {},
                },
              },
            },
          },
        },
      },
    })
  })

  it('takes an overwritten field from its owner, and keeps times of a write that changes nothing', () => {
    const created = updateManagedFields(schema, undefined, deployment([{ name: 'c' }], { replicas: 1 }), by('one'))
    const scaled = updateManagedFields(schema, created, deployment([{ name: 'c' }], { replicas: 2 }), by('two', 1))
    expect(entryOf(scaled, 'two')?.fieldsV1).toEqual({ 'f:spec': { 'f:replicas': {} } })
    expect(JSON.stringify(entryOf(scaled, 'one'))).not.toContain('f:replicas')
    const again = updateManagedFields(schema, scaled, { ...scaled }, by('three', 2))
    expect(again.metadata.managedFields).toEqual(scaled.metadata.managedFields)
  })

  it('bounds the number of update managers', () => {
    let object: KubeObject = updateManagedFields(schema, undefined, deployment([{ name: 'c' }]), by('creator'))
    for (let count = 0; count < 30; count++) {
      const next = structuredClone(object)
      next.metadata.labels = { ...next.metadata.labels, [`l${count}`]: 'x' }
      object = updateManagedFields(schema, object, next, by(`m${count}`, count))
    }
    expect(object.metadata.managedFields).toHaveLength(maxUpdateManagers)
    expect(JSON.stringify(entryOf(object, 'ancient-changes'))).toContain('f:l3')
  })

  it('clears tracking when a client sends one empty entry', () => {
    const created = updateManagedFields(schema, undefined, deployment([{ name: 'c' }]), by('one'))
    const reset = { ...created, metadata: { ...created.metadata, managedFields: [{}] } }
    expect(updateManagedFields(schema, created, reset, by('one')).metadata.managedFields).toBeUndefined()
  })
})

describe('applyPatch', () => {
  const live = updateManagedFields(
    schema,
    undefined,
    deployment([{ name: 'c', image: 'i' }], { replicas: 3 }),
    by('kubectl-client-side-apply'),
  )

  it('refuses to change a field of another manager, and names it', () => {
    const run = () => applyPatch(schema, live, deployment([{ name: 'c' }], { replicas: 5 }), by('me'))
    expect(run).toThrow(
      expect.objectContaining({
        code: 409,
        message:
          'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas',
        details: {
          causes: [
            {
              reason: 'FieldManagerConflict',
              message: 'conflict with "kubectl-client-side-apply" using apps/v1',
              field: '.spec.replicas',
            },
          ],
        },
      }),
    )
  })

  it('takes the field by force, shares it when the value is equal', () => {
    const forced = applyPatch(schema, live, deployment([{ name: 'c' }], { replicas: 5 }), { ...by('me'), force: true })
    expect(forced).toMatchObject({ spec: { replicas: 5 } })
    expect(JSON.stringify(entryOf(forced, 'kubectl-client-side-apply'))).not.toContain('f:replicas')
    const shared = applyPatch(schema, live, deployment([{ name: 'c' }], { replicas: 3 }), by('me'))
    expect(JSON.stringify(entryOf(shared, 'kubectl-client-side-apply'))).toContain('f:replicas')
  })

  it('removes what it no longer applies and nobody else holds', () => {
    const two = [
      { name: 'c', image: 'i', tty: true },
      { name: 'd', image: 'x' },
    ]
    const first = applyPatch(schema, live, deployment(two, { minReadySeconds: 4 }), by('me'))
    const second = applyPatch(schema, first, deployment([{ name: 'c' }]), by('me', 1)) as Deployment
    expect(second.spec).not.toHaveProperty('minReadySeconds')
    expect(second.spec.replicas).toBe(3)
    expect(second.spec.template.spec.containers).toEqual([{ name: 'c', image: 'i' }])
  })

  it('keeps an item for the sake of what others hold in it', () => {
    const first = applyPatch(schema, live, deployment([{ name: 'd', image: 'x' }]), by('me'))
    const touched = structuredClone(first) as Deployment
    touched.spec.template.spec.containers.find(({ name }) => name === 'd')!['workingDir'] = '/w'
    const shared = updateManagedFields(schema, first, touched, by('other', 1))
    const second = applyPatch(schema, shared, deployment([]), by('me', 2)) as Deployment
    const kept = second.spec.template.spec.containers.find(({ workingDir }) => workingDir === '/w')
    expect(kept).toMatchObject({ workingDir: '/w' })
    expect(kept).not.toHaveProperty('image')
  })

  it.each([
    [{ ...deployment([{ image: 'x' }]) }, /omits key field "name"/],
    [deployment([{ name: 'a' }, { name: 'a' }]), /duplicate entries for key \[name="a"\]/],
    [deployment([], { frob: 1 }), /\.spec\.frob: field not declared in schema/],
  ])('refuses a configuration that does not fit', (patch, message) => {
    expect(() => applyPatch(schema, live, patch, by('me'))).toThrow(
      expect.objectContaining({ code: 400, message: expect.stringMatching(message) }),
    )
  })

  it('adopts an object that was never tracked', () => {
    const untracked = deployment([{ name: 'c', image: 'i' }], { replicas: 3 })
    expect(() => applyPatch(schema, untracked, deployment([{ name: 'c' }], { replicas: 4 }), by('me'))).toThrow(
      'conflict with "before-first-apply" using apps/v1: .spec.replicas',
    )
  })

  it('is idempotent: a second apply changes nothing, times included', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 })
    fc.assert(
      fc.property(
        names,
        fc.option(fc.nat(9), { nil: undefined }),
        fc.dictionary(fc.constantFrom('x', 'y'), fc.string()),
        (containers, replicas, labels) => {
          const patch = deployment(
            containers.map((name) => ({ name, image: `${name}:1` })),
            replicas === undefined ? {} : { replicas },
            { labels: { ...labels } },
          )
          const first = applyPatch(schema, live, patch, { ...by('me', 1), force: true })
          expect(applyPatch(schema, first, patch, { ...by('me', 2), force: true })).toEqual(first)
        },
      ),
    )
  })
})

describe('field sets', () => {
  const sets = fc
    .letrec<{ node: object }>((tie) => ({
      node: fc.dictionary(
        fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:1'),
        fc.oneof({ depthSize: 'small' }, fc.constant({}), tie('node')),
        {
          maxKeys: 3,
          noNullPrototype: true,
        },
      ),
    }))
    .node.map((json): FieldSet => decodeFieldsV1(json))

  it('survive FieldsV1', () => {
    fc.assert(
      fc.property(sets, (set) => {
        expect(sameSet(decodeFieldsV1(encodeFieldsV1(set)), set)).toBe(true)
      }),
    )
  })

  it('obey the laws of sets', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        expect(sameSet(union(a, b), union(b, a))).toBe(true)
        expect(sameSet(union(difference(a, b), intersection(a, b)), a)).toBe(true)
        expect(isEmptySet(intersection(difference(a, b), b))).toBe(true)
      }),
    )
  })

  it('name items of several keys by all of them, defaults included', () => {
    const set = fieldSetOf(deployment([{ name: 'c', ports: [{ containerPort: 80 }] }]), schema)
    expect(JSON.stringify(encodeFieldsV1(set))).toContain(String.raw`k:{\"containerPort\":80,\"protocol\":\"TCP\"}`)
  })
})
