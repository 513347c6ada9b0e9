import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isStatus } from '../api/status-error.ts'
import { decodeJson, decodeYaml, maxBodyDepth, parseJson } from './decode.ts'
import { applySchemaDefaults, completeStructs } from './defaults.ts'
import { loadBuiltinSchemas } from './graph.ts'
import { countMembers, scanJson } from './json-scan.ts'
import { canonicalQuantity } from './quantity-form.ts'

const graph = loadBuiltinSchemas()
const deployment = graph.byKind('apps', 'v1', 'Deployment')!
const pod = graph.byKind('', 'v1', 'Pod')!

const body = (fields: object) => JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', ...fields })
const refusal = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (isStatus(error, 'BadRequest')) return error.message
    throw error
  }
  throw new Error('was accepted')
}

describe('decodeJson', () => {
  it.each([
    [{ spec: { replicas: 'x' } }, 'string into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [{ spec: { replicas: 1.5 } }, 'number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [
      { spec: { replicas: 2 ** 31 } },
      'number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [{ metadata: { labels: { a: 1 } } }, 'number into Go struct field ObjectMeta.metadata.labels of type string'],
    [
      { spec: { template: { spec: { containers: {} } } } },
      'object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
  ])('refuses a value of the wrong type: %j', (fields, expected) => {
    expect(refusal(() => decodeJson(body(fields), deployment))).toBe(
      `Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal ${expected}`,
    )
  })

  it('removes unknown fields, case-sensitively, and names them', () => {
    const { value, strictErrors } = decodeJson(body({ spec: { Replicas: 1, foo: 1, replicas: 2 } }), deployment)
    expect(strictErrors).toEqual(['unknown field "spec.Replicas"', 'unknown field "spec.foo"'])
    expect(value).toMatchObject({ spec: { replicas: 2 } })
    expect(value).not.toHaveProperty('spec.foo')
  })

  it('finds each repeated key, whatever hides it', () => {
    const text = String.raw`{"spec":{"replicas":1,"template":{"metadata":{"labels":{"a:b":"x","a\u003ab":"{\"c\":1}"}}},"replicas":2}}`
    expect(parseJson(text).strictErrors).toEqual([
      'duplicate field "spec.template.metadata.labels.a:b"',
      'duplicate field "spec.replicas"',
    ])
  })

  it('takes null for absent', () => {
    expect(decodeJson(body({ spec: { replicas: null } }), deployment).value).not.toHaveProperty('spec.replicas')
  })

  it('never lets __proto__ through to a prototype', () => {
    const text = '{"metadata":{"labels":{"__proto__":"x"}},"__proto__":{"kind":"y"}}'
    const { value, strictErrors } = decodeJson(text, deployment)
    expect(strictErrors).toEqual(['unknown field "__proto__"'])
    expect(JSON.stringify(value)).toBe('{"metadata":{"labels":{"__proto__":"x"}}}')
    expect((value as { kind?: string }).kind).toBeUndefined()
  })

  it('keeps all of int64', () => {
    expect(parseJson('{"a":[9007199254740993]}').value).toEqual({ a: [9007199254740993n] })
    expect(parseJson('{"a":9007199254740992,"b":1e300}').value).toEqual({ a: 9007199254740992, b: 1e300 })
  })

  it('bounds the nesting', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(refusal(() => parseJson(nested(maxBodyDepth + 1)))).toContain('max depth')
    expect(parseJson(nested(maxBodyDepth)).strictErrors).toEqual([])
  })

  it('counts the members of any JSON exactly', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(scanJson(JSON.stringify(value)).members).toBe(countMembers(JSON.parse(JSON.stringify(value))))
      }),
    )
  })
})

describe('decodeYaml', () => {
  it('reads booleans as YAML 1.1 and leaves sexagesimals and dates alone', () => {
    const { value } = decodeYaml('metadata: {labels: {a: 12:30, b: 2020-01-02}}\nspec: {paused: yes}', deployment)
    expect(value).toEqual({ metadata: { labels: { a: '12:30', b: '2020-01-02' } }, spec: { paused: true } })
  })

  it('names repeated keys by line', () => {
    const { strictErrors } = decodeYaml('metadata:\n  name: a\n  name: b\n', deployment)
    expect(strictErrors).toEqual(['yaml: unmarshal errors:\n  line 3: key "name" already set in map'])
  })

  it('refuses alias bombs', () => {
    const levels = Array.from({ length: 9 }, (_, at) => `l${at + 1}: &l${at + 1} [${`*l${at},`.repeat(9)}]`)
    expect(refusal(() => decodeYaml(`l0: &l0 [x]\n${levels.join('\n')}`, deployment))).toContain('alias')
  })
})

describe('canonicalQuantity', () => {
  it.each([
    ['1000m', '1'],
    ['0.5', '500m'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['100', '100'],
    ['1500', '1500'],
    ['1000', '1k'],
    ['1e3', '1e3'],
    ['-2', '-2'],
    ['.5', '500m'],
    ['0Mi', '0'],
    ['512Ki', '512Ki'],
  ])('writes %s as %s', (given, written) => expect(canonicalQuantity(given)).toBe(written))

  it.each(['', 'x', '1 Gi', '1gi', '--1', '1.2.3', 'Mi'])('refuses %j', (text) =>
    expect(canonicalQuantity(text)).toBeUndefined(),
  )

  it('is idempotent', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('', 'm', 'k', 'Ki', 'Mi', 'n', 'G', 'e3'), (number, suffix) => {
        const once = canonicalQuantity(`${number}${suffix}`)!
        expect(canonicalQuantity(once)).toBe(once)
      }),
    )
  })
})

describe('defaults', () => {
  it('sets declared defaults and the structs that Go always writes', () => {
    const value = { metadata: { name: 'x' }, spec: { containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] } }
    applySchemaDefaults(value, pod)
    completeStructs(value, pod)
    expect(value).toEqual({
      metadata: { name: 'x' },
      spec: { containers: [{ name: 'a', ports: [{ containerPort: 80, protocol: 'TCP' }], resources: {} }] },
      status: {},
    })
  })
})
