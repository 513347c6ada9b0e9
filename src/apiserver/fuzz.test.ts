import { readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { CelCompileError, CelEvaluationError, compileCel, runtimeBudget } from '../admission/cel/expression.ts'
import type { KubeObject } from '../api/object.ts'
import { StatusError } from '../api/status-error.ts'
import { must } from '../lib/assert.ts'
import type { Target } from '../registry/options.ts'
import { testRegistry } from '../registry/testing/environment.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { parseYaml } from '../schema/yaml.ts'
import { mutator, type Mutator } from './testing/mutations.ts'
import { schemaCodecs } from './schema-codecs.ts'

/**
 * Input that nobody would send on purpose. Whatever comes: an answer or a refusal with a code below 500, in bounded
 * time. STORMO_FUZZ sets how many inputs there are in all, STORMO_FUZZ_SEED replays a run. The suite on its own machine
 * takes a hundred thousand, 5,000 of each kind at the least; the dear ones are fewer.
 */
const onItsOwn = process.env['STORMO_TEST_ALL'] !== undefined || process.env['CI'] !== undefined
const total = Number(process.env['STORMO_FUZZ'] ?? (onItsOwn ? 100_000 : 4200))
const seed = Number(process.env['STORMO_FUZZ_SEED'] ?? (process.env['STORMO_TEST_ALL'] ? Date.now() % 2 ** 31 : 1))
const shares = { json: 15, yaml: 5, protobuf: 20, patches: 5, selectors: 20, tokens: 20, cel: 15 }
const inputs = (area: keyof typeof shares): number => Math.ceil((total * shares[area]) / 100)
const timeoutMs = 60_000 + total * 20

const folder = new URL('../../test/fixtures/manifests/', import.meta.url)
const texts = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'))
const manifests = texts.map((text) => parseYaml(text).value as KubeObject)
/** YAML is slow to read: the manifests of thousands of lines would take most of the time and show nothing more. */
const short = texts.flatMap((text, at) => (text.length < 3000 ? [at] : []))
const codecs = schemaCodecs(loadBuiltinSchemas())
const { registry, context, catalogue } = testRegistry()

beforeAll(() => {
  process.stdout.write(`fuzzing ${total} inputs; STORMO_FUZZ_SEED=${seed}\n`)
})

function targetOf(object: KubeObject, name = ''): Target {
  const [version = '', group = ''] = object.apiVersion.split('/').toReversed()
  const definition = must(catalogue.findKind(group, version, object.kind), object.kind)
  return { definition, namespace: definition.namespaced ? 'default' : '', name, subresource: '' }
}

/** What went wrong, the first of each kind: one bug met a hundred times is one line. */
type Failures = Map<string, string>

/** Runs one input and notes what is no refusal, with what it takes to see it again. */
async function survive(failures: Failures, input: unknown, run: () => unknown): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (error instanceof StatusError && error.code < 500) return
    if (error instanceof CelCompileError || error instanceof CelEvaluationError) return
    const stack = (error as Error).stack ?? String(error)
    const where = stack.split('\n').find((line) => line.includes('.ts:')) ?? stack
    if (!failures.has(where)) {
      const shown = typeof input === 'string' ? input : JSON.stringify(input)
      failures.set(where, `seed ${seed}: ${stack.slice(0, 600)}\n${shown.slice(0, 1500)}`)
    }
  }
}

/** Each area has chance of its own: one may be run without the others and does the same. */
function chance(area: keyof typeof shares): Mutator {
  return mutator(seed ^ [...area].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) | 0, 7))
}

const jsonTokens = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\u0000',
  '1e9999',
  '-',
  'null',
  '"a":1,"a":2',
  '\ufeff',
  '9007199254740993',
]
const yamlTokens = [
  '&a ',
  '*a',
  '<<: *a\n',
  '- ',
  ': ',
  '!!binary ',
  '---\n',
  '\t',
  '|',
  '>',
  '{',
  '[',
  '? ',
  '#',
  '"',
  "'",
  '%',
]

describe('bodies', () => {
  test('JSON, broken in its text and in its values', { timeout: timeoutMs }, async () => {
    const failures: Failures = new Map()
    const fuzz = chance('json')
    for (let at = 0; at < inputs('json'); at++) {
      const manifest = fuzz.pick(manifests)
      const text =
        fuzz.next() < 0.5
          ? fuzz.text(JSON.stringify(manifest), jsonTokens)
          : JSON.stringify({
              ...(fuzz.value(manifest) as object),
              apiVersion: manifest.apiVersion,
              kind: manifest.kind,
            })
      await survive(failures, text, () =>
        registry.create(context, targetOf(manifest), codecs.parseJson(text), { dryRun: true }),
      )
    }
    expect([...failures.values()]).toEqual([])
  })

  test('YAML', { timeout: timeoutMs }, async () => {
    const failures: Failures = new Map()
    const fuzz = chance('yaml')
    for (let at = 0; at < inputs('yaml'); at++) {
      const which = fuzz.pick(short)
      const text = fuzz.text(must(texts[which], 'a text'), yamlTokens)
      const target = targetOf(must(manifests[which], 'a manifest'))
      await survive(failures, text, () => registry.create(context, target, codecs.parseYaml(text), { dryRun: true }))
    }
    expect([...failures.values()]).toEqual([])
  })

  test('protobuf', { timeout: timeoutMs }, async () => {
    const failures: Failures = new Map()
    const fuzz = chance('protobuf')
    for (let at = 0; at < inputs('protobuf'); at++) {
      const manifest = fuzz.pick(manifests)
      const sound = codecs.toProtobuf(manifest)
      if (!sound) continue
      const bytes = fuzz.bytes(sound)
      await survive(failures, Buffer.from(bytes).toString('base64'), () =>
        registry.create(context, targetOf(manifest), codecs.parseProtobuf(Buffer.from(bytes)), { dryRun: true }),
      )
    }
    expect([...failures.values()]).toEqual([])
  })

  test('patches of every type', { timeout: timeoutMs }, async () => {
    const failures: Failures = new Map()
    const fuzz = chance('patches')
    const stored = manifests.filter(({ kind }) => ['Deployment', 'Pod', 'ConfigMap', 'Service'].includes(kind))
    for (const manifest of stored)
      await registry
        .create(context, targetOf(manifest), { value: structuredClone(manifest), strictErrors: [] }, {})
        .catch(() => undefined)
    for (let at = 0; at < inputs('patches'); at++) {
      const manifest = fuzz.pick(stored)
      const target = targetOf(manifest, manifest.metadata.name)
      const type = fuzz.pick(['json', 'merge', 'strategic', 'apply'] as const)
      const body =
        type === 'json'
          ? fuzz.value([
              {
                op: fuzz.pick(['add', 'remove', 'replace', 'move', 'copy', 'test']),
                path: fuzz.pick([
                  '/spec',
                  '/metadata/labels/a~1b',
                  '/spec/template/spec/containers/0',
                  '/-',
                  '',
                  '/__proto__/x',
                ]),
                from: '/metadata',
                value: fuzz.value(manifest),
              },
            ])
          : fuzz.value(manifest)
      await survive(failures, body, () =>
        type === 'apply'
          ? registry.apply(context, target, { value: body, strictErrors: [] }, { fieldManager: 'fuzz', dryRun: true })
          : registry.patch(context, target, { type, body }, { dryRun: true }),
      )
    }
    expect([...failures.values()]).toEqual([])
  })
})

describe('queries', () => {
  const pods = targetOf({ apiVersion: 'v1', kind: 'Pod', metadata: {} })

  test('selectors', { timeout: timeoutMs }, async () => {
    const failures: Failures = new Map()
    const fuzz = chance('selectors')
    const tokens = ['!', '=', '==', '!=', ' in ', ' notin ', '(', ')', ',', '>', '<', '/', '\\', ' ', 'a'.repeat(300)]
    for (let at = 0; at < inputs('selectors'); at++) {
      const labelSelector = fuzz.text(fuzz.pick(['a=b', 'a in (b,c),!d', 'x/y notin (z)', 'n>5']), tokens)
      const fieldSelector = fuzz.text(fuzz.pick(['metadata.name=x', 'spec.nodeName!=a,status.phase=Running']), tokens)
      const request = fuzz.next() < 0.5 ? { labelSelector } : { fieldSelector }
      await survive(failures, request, () => registry.list(context, pods, request))
    }
    expect([...failures.values()]).toEqual([])
  })

  test('continue tokens', { timeout: timeoutMs }, async () => {
    const failures: Failures = new Map()
    const fuzz = chance('tokens')
    const first = await registry.list(context, pods, { limit: 1 })
    const sound = Buffer.from(first.continue ?? '', 'base64url').toString()
    expect(sound).toContain('stormo')
    for (let at = 0; at < inputs('tokens'); at++) {
      const text = fuzz.text(sound, ['"', '{', '}', ':', 'null', '1e9', '"rv":""', '-1'])
      const token = fuzz.next() < 0.8 ? Buffer.from(text).toString('base64url') : text
      await survive(failures, token, () => registry.list(context, pods, { limit: 1, continue: token }))
    }
    expect([...failures.values()]).toEqual([])
  })
})

test('CEL', { timeout: timeoutMs }, async () => {
  const failures: Failures = new Map()
  const fuzz = chance('cel')
  const sources = [
    "object.spec.replicas <= 5 && object.metadata.name.startsWith('a')",
    'object.items.all(x, x > 0) ? 1 : 2',
    "has(object.a) && object.a.matches('^[a-z]+$')",
    "quantity('1Gi').isGreaterThan(quantity('1Mi'))",
    "[1, 2, 3].map(x, x * 2).exists(y, y == 4) || {'a': 1}.a == 1",
  ]
  const tokens = [
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '.',
    '&&',
    '||',
    '?',
    ':',
    '!',
    '-',
    "'",
    '"',
    '9'.repeat(40),
    'in',
    'null',
    'r"',
    '\\',
  ]
  const input = { object: { spec: { replicas: 3 }, metadata: { name: 'abc' }, items: [1, 2], a: 'x' } }
  for (let at = 0; at < inputs('cel'); at++) {
    const source = fuzz.text(fuzz.pick(sources), tokens)
    await survive(failures, source, () => compileCel(source, ['object']).evaluate(input, { remaining: runtimeBudget }))
  }
  expect([...failures.values()]).toEqual([])
})

describe('bombs', () => {
  const refused = async (run: () => unknown) => {
    const error = await Promise.resolve()
      .then(run)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StatusError)
    expect((error as StatusError).code).toBeLessThan(500)
  }
  test('of aliases are refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let level = 1; level < 12; level++)
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`)
    return refused(() => codecs.parseYaml(lines.join('\n')))
  })
  test('of depth are refused', async () => {
    await refused(() => codecs.parseJson('['.repeat(100_000) + ']'.repeat(100_000)))
    await refused(() => codecs.parseJson('{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)))
    await refused(() => codecs.parseYaml('['.repeat(20_000) + ']'.repeat(20_000)))
  })
  test('of prototypes touch nothing', async () => {
    const text =
      '{"metadata":{"name":"p","__proto__":{"polluted":1}},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'
    const target = targetOf({ apiVersion: 'v1', kind: 'ConfigMap', metadata: {} })
    await registry.create(context, target, codecs.parseJson(text), { dryRun: true }).catch(() => undefined)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})
