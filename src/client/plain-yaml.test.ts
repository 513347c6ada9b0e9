import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { parsePlainYaml } from './plain-yaml.ts'

const kubeconfig = {
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [{ name: 'a', cluster: { server: 'https://10.0.0.1:6443', 'certificate-authority-data': 'LS0tLQ==' } }],
  users: [{ name: 'admin', user: { 'client-key-data': 'YWJj', exec: { args: ['token', 'get'] } } }],
  contexts: [{ name: 'a', context: { cluster: 'a', user: 'admin', namespace: 'web' } }],
  'current-context': 'a',
  preferences: {},
}

describe('plain YAML', () => {
  it.each([
    ['indented sequences', stringify(kubeconfig)],
    ['sequences at the depth of their key', stringify(kubeconfig, { indentSeq: false })],
    ['quotes', stringify(kubeconfig, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' })],
    ['comments and empty lines', `# ours\n\n---\n${stringify(kubeconfig)}\n  # the end\n`],
  ])('reads a kubeconfig with %s', (_, text) => expect(parsePlainYaml(text)).toEqual(kubeconfig))

  it.each([
    ['flow collections', 'a: {b: c}'],
    ['single quotes', "a: 'b'"],
    ['escapes', 'a: "b\\n"'],
    ['block scalars', 'a: |\n  b\n'],
    ['numbers', 'a: 1'],
    ['anchors', 'a: &b c'],
    ['a comment behind a value', 'a: b # c'],
    ['several lines of one scalar', 'a: b\n  c'],
    ['a key given twice', 'a: b\na: c'],
    ['a prototype', '__proto__: b'],
    ['tabs', 'a:\n\tb: c'],
    ['words that may be no text', 'a: no'],
    ['nothing', ''],
  ])('leaves %s to a whole parser', (_, text) => expect(parsePlainYaml(text)).toBeUndefined())

  it('reads as a whole parser reads, or not at all', () => {
    const leaf = fc.oneof(fc.string(), fc.boolean(), fc.constant(null), fc.integer())
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,5}$/), tie('tree'), { maxKeys: 3 }),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), tree), fc.boolean(), (value, indentSeq) => {
        const text = stringify(value, { indentSeq })
        const plain = parsePlainYaml(text)
        if (plain !== undefined) expect(plain).toEqual(parse(text))
      }),
    )
  })
})
