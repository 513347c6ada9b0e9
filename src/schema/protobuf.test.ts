import fc from 'fast-check'
import { Writer } from 'protobufjs/minimal.js'
import { describe, expect, it } from 'vitest'
import { isStatus } from '../api/status-error.ts'
import { loadBuiltinSchemas } from './graph.ts'
import { builtinSchemaOf, decodeProtobuf, encodeProtobuf } from './protobuf.ts'

const graph = loadBuiltinSchemas()
const schemaOf = builtinSchemaOf(graph)

const roundTrip = (object: { apiVersion: string; kind: string }) => {
  const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion]
  return decodeProtobuf(encodeProtobuf(object, graph.byKind(group!, version!, object.kind)!), schemaOf)
}

describe('protobuf', () => {
  it.each([
    [
      'a pod, with inlined structs, quantities, ports by name and times',
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'x', creationTimestamp: '2026-01-01T00:00:00Z', labels: { a: 'b' }, generation: 2 ** 40 },
        spec: {
          volumes: [{ name: 'v', configMap: { name: 'z', optional: false } }],
          containers: [
            {
              name: 'c',
              image: 'i',
              ports: [{ containerPort: 80 }],
              env: [{ name: 'q', valueFrom: { configMapKeyRef: { key: 'k', name: 'cm' } } }],
              resources: { limits: { cpu: '500m' } },
              livenessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 3 },
            },
          ],
          ephemeralContainers: [{ name: 'd', command: ['sh'], targetContainerName: 'c', resources: {} }],
          terminationGracePeriodSeconds: 0,
        },
        status: {},
      },
    ],
    [
      'bytes',
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { a: 'AAEC/w==', b: '' }, type: 'Opaque' },
    ],
    [
      'a map of lists',
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        metadata: {},
        spec: { token: 't' },
        status: { authenticated: true, user: { extra: { a: ['b', 'c'] } } },
      },
    ],
    [
      'JSON inside, and schemas that may be something else',
      {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: 'a' },
        spec: {
          group: 'g',
          names: { plural: 'a', kind: 'A' },
          scope: 'Namespaced',
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              schema: {
                openAPIV3Schema: {
                  type: 'object',
                  properties: {
                    a: { type: 'array', items: { type: 'string' }, default: [{ b: null }] },
                    b: { additionalProperties: false, 'x-kubernetes-preserve-unknown-fields': true },
                  },
                },
              },
            },
          ],
        },
        status: {},
      },
    ],
    [
      'microseconds and rules nested twice',
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name: 'p' },
        spec: {
          matchConstraints: {
            resourceRules: [
              { resourceNames: ['n'], operations: ['CREATE'], apiGroups: ['*'], resources: ['pods'], scope: '*' },
            ],
          },
        },
        status: {},
      },
    ],
    [
      'a lease',
      {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'l' },
        spec: { holderIdentity: 'h', renewTime: '2026-01-01T00:00:00.123456Z' },
      },
    ],
  ])('brings back %s', (_, object) => {
    expect(roundTrip(object)).toEqual({ value: object, strictErrors: [] })
  })

  it('brings back any ConfigMap', () => {
    const text = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(fc.dictionary(text, text, { noNullPrototype: true }), fc.boolean(), (data, immutable) => {
        fc.pre(Object.keys(data).length > 0)
        const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data, immutable }
        expect(JSON.parse(JSON.stringify(roundTrip(object).value))).toEqual(JSON.parse(JSON.stringify(object)))
      }),
    )
  })

  it('answers 400 to any bytes, and to nothing else', () => {
    const valid = encodeProtobuf({ apiVersion: 'v1', kind: 'Pod' }, schemaOf('', 'v1', 'Pod')!)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, framed) => {
        const bytes = framed ? new Uint8Array([...valid.slice(0, 20), ...noise]) : noise
        try {
          decodeProtobuf(bytes, schemaOf)
        } catch (error) {
          if (!isStatus(error, 'BadRequest')) throw error
        }
      }),
    )
  })

  it('bounds recursion', () => {
    let raw: Uint8Array = new Uint8Array()
    // JSONSchemaProps.not is field 28 of itself; CRD → spec 2 → versions 7 → schema 4 → openAPIV3Schema 1.
    for (let depth = 0; depth < 1000; depth++)
      raw = Writer.create()
        .uint32((28 << 3) | 2)
        .bytes(raw)
        .finish()
    for (const field of [1, 4, 7, 2])
      raw = Writer.create()
        .uint32((field << 3) | 2)
        .bytes(raw)
        .finish()
    const type = Writer.create()
      .uint32(10)
      .string('apiextensions.k8s.io/v1')
      .uint32(18)
      .string('CustomResourceDefinition')
      .finish()
    const unknown = Writer.create().uint32(10).bytes(type).uint32(18).bytes(raw).finish()
    const bytes = new Uint8Array([0x6b, 0x38, 0x73, 0, ...unknown])
    expect(() => decodeProtobuf(bytes, schemaOf)).toThrow(
      expect.objectContaining({ code: 400, message: expect.stringContaining('too deep') }),
    )
  })
})
