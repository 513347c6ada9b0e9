import { describe, expect, it } from 'vitest'
import { parseManifest } from './parse-manifest.ts'

const names = (text: string) => parseManifest(text, 'a.yaml').map(({ object }) => object.metadata.name)

describe('parseManifest', () => {
  it('reads several documents, leaves empty ones out and takes lists apart', () => {
    const text = [
      '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}',
      '# nothing but a comment',
      'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: two}}',
      '{"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "three-"}}',
    ].join('\n---\n')
    expect(names(text)).toEqual(['one', 'two', undefined])
  })

  it('reads YAML as Kubernetes does: 1.1, with yes and octal numbers', () => {
    const [one] = parseManifest('apiVersion: v1\nkind: X\nmetadata: {name: a}\nspec: {on: yes, mode: 0644}', 'a.yaml')
    expect(one!.object).toMatchObject({ spec: { true: true, mode: 420 } })
  })

  it('does not take dashes inside a text for a new document', () => {
    expect(names('apiVersion: v1\nkind: X\nmetadata: {name: a}\ndata:\n  k: |\n    ---\n    b')).toEqual(['a'])
  })

  it('tells repeated keys', () => {
    const [one] = parseManifest('apiVersion: v1\nkind: X\nmetadata: {name: a}\nspec: 1\nspec: 2', 'a.yaml')
    expect(one!.duplicates.join()).toContain('key "spec" already set in map')
  })

  it.each([
    ['kind: X\nmetadata: {name: a}', /a\.yaml: apiVersion not set/],
    ['apiVersion: v1\nmetadata: {name: a}', /a\.yaml: kind not set/],
    ['apiVersion: v1\nkind: X', /a\.yaml: X has no metadata\.name/],
    ['- a\n- b', /a\.yaml: a manifest must be an object/],
    ['a: b\nc: [1', /error parsing a\.yaml: error converting YAML to JSON: yaml: line 2: /],
  ])('%j is refused', (text, message) => {
    expect(() => parseManifest(text, 'a.yaml')).toThrow(message)
  })
})
