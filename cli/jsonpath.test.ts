import { describe, expect, it } from 'vitest'
import { findValues, parsePath, parseTemplate, renderTemplate } from './jsonpath.ts'

const data = {
  kind: 'List',
  items: [
    { metadata: { name: 'a', labels: { 'app.kubernetes.io/name': 'x' } }, spec: { n: 1, on: true } },
    { metadata: { name: 'b' }, spec: { n: 5, on: false }, status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    { metadata: { name: 'c' }, spec: { n: 9 } },
  ],
}

const render = (template: string) => renderTemplate(parseTemplate(template), data)

describe('templates', () => {
  it.each([
    ['{.kind}', 'List'],
    ['kind={.kind}!', 'kind=List!'],
    ['{.items[*].metadata.name}', 'a b c'],
    ['{.items[0].metadata.name}', 'a'],
    ['{.items[-1].metadata.name}', 'c'],
    ['{.items[0:2].metadata.name}', 'a b'],
    ['{.items[0,2].metadata.name}', 'a c'],
    ["{.items[*]['metadata','spec'].name}", 'a b c'],
    ['{range .items[*]}{.metadata.name}{"\\t"}{.spec.n}{"\\n"}{end}', 'a\t1\nb\t5\nc\t9\n'],
    ['{.items[?(@.spec.n>4)].metadata.name}', 'b c'],
    ['{.items[?(@.metadata.name=="b")].spec.n}', '5'],
    ['{.items[?(@.spec.on==true)].metadata.name}', 'a'],
    ['{.items[?(@.status)].metadata.name}', 'b'],
    ['{.items[1].status.conditions[?(@.type=="Ready")].status}', 'True'],
    ['{..name}', 'a b c'],
    ['{.items[0].metadata.labels.app\\.kubernetes\\.io/name}', 'x'],
    ["{.items[0].metadata.labels['app.kubernetes.io/name']}", 'x'],
    ['{.items[0].spec}', '{"n":1,"on":true}'],
    ['{.nowhere.at.all}', ''],
    ['{.kind} {.items[0].spec.n}', 'List 1'],
    ['{.__proto__}{.constructor}', ''],
  ])('%s gives %j', (template, text) => {
    expect(render(template)).toBe(text)
  })

  it.each(['{.a', '{end}', '{range .items[*]}{.a}', '{.items[}', '{.items[x y]}'])('%s is refused', (template) => {
    expect(() => parseTemplate(template)).toThrow(/jsonpath/)
  })
})

it('finds values without the braces too', () => {
  expect(findValues(parsePath('$.items[*].spec.n'), data)).toEqual([1, 5, 9])
  expect(findValues(parsePath('kind'), data)).toEqual(['List'])
})
