import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseLabelSelector } from './label-selector-text.ts'
import {
  formatFieldSelector,
  formatLabelSelector,
  formatRequirements,
  matchesFields,
  matchesLabelMap,
  matchesLabels,
  matchesLabelSelector,
  parseFieldSelector,
  SelectorError,
  unknownField,
  type FieldRequirement,
  type LabelRequirement,
} from './selector.ts'

const labels = { app: 'web', tier: 'front', count: '5', empty: '' }

describe('label selectors as text', () => {
  test.each<[string, boolean]>([
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app=db', false],
    ['app!=db', true],
    ['missing!=x', true],
    ['app', true],
    ['!app', false],
    ['! missing', true],
    ['app in (web,db)', true],
    ['app in ( db )', false],
    ['app notin (web)', false],
    ['missing notin (x)', true],
    ['empty=', true],
    ['empty in ()', true],
    ['count>4', true],
    ['count<4', false],
    ['tier>1', false],
    ['app=web,tier=front', true],
    ['app=web,tier=back', false],
    ['in=x', false],
  ])('%j', (text, matches) => {
    expect(matchesLabels(parseLabelSelector(text), labels)).toBe(matches)
  })

  test.each(['=x', 'a=b,', 'a in', 'a in (b', 'a in b', ',a', 'a b', 'a=(b)', '-a=b', 'a=b!', 'a/b/c=d', 'a>b', '!!a'])(
    '%j is refused',
    (text) => {
      expect(() => parseLabelSelector(text)).toThrow(SelectorError)
    },
  )

  const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/).filter((text) => text !== 'in' && text !== 'notin')
  const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
    fc.record({ key: word, operator: fc.constantFrom('=', '!='), values: fc.tuple(word) }),
    fc.record({
      key: word,
      operator: fc.constantFrom('In', 'NotIn'),
      values: fc.uniqueArray(word, { minLength: 1, maxLength: 4 }).map((values) => values.toSorted()),
    }),
    fc.record({ key: word, operator: fc.constantFrom('Exists', 'DoesNotExist'), values: fc.constant([]) }),
  )

  test('what is formatted is read back', () => {
    fc.assert(
      fc.property(fc.uniqueArray(requirement, { selector: ({ key }) => key, maxLength: 5 }), (requirements) => {
        const sorted = requirements.toSorted((a, b) => (a.key < b.key ? -1 : 1))
        expect(parseLabelSelector(formatRequirements(requirements))).toEqual(sorted)
      }),
    )
  })

  test('a requirement and its negation never both hold', () => {
    const negated = { '=': '!=', In: 'NotIn', Exists: 'DoesNotExist' } as const
    const positive = fc.record({
      key: word,
      operator: fc.constantFrom('=' as const, 'In' as const, 'Exists' as const),
      values: fc.tuple(word),
    })
    fc.assert(
      fc.property(positive, fc.dictionary(word, word), (one, some) => {
        const other = { ...one, operator: negated[one.operator] }
        expect(matchesLabels([one], some)).not.toBe(matchesLabels([other], some))
      }),
    )
  })
})

describe('label selectors as objects', () => {
  test('none matches nothing, an empty one everything', () => {
    expect(matchesLabelSelector(undefined, labels)).toBe(false)
    expect(matchesLabelSelector({}, labels)).toBe(true)
    expect(matchesLabelMap({}, labels)).toBe(false)
    expect(matchesLabelMap({ app: 'web' }, labels)).toBe(true)
  })

  test('expressions', () => {
    const selector = { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] }
    expect(matchesLabelSelector(selector, labels)).toBe(true)
    expect(matchesLabelSelector(selector, { ...labels, x: '1' })).toBe(false)
    expect(formatLabelSelector(selector)).toBe('app=web,!x')
    expect(formatLabelSelector({})).toBe('<none>')
    expect(() => matchesLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Like' }] }, labels)).toThrow(
      SelectorError,
    )
  })

  test('names of Object.prototype are no labels', () => {
    expect(matchesLabels(parseLabelSelector('constructor'), {})).toBe(false)
  })
})

describe('field selectors', () => {
  const fields = { 'metadata.name': 'a', 'status.phase': 'Running', 'spec.nodeName': '' }

  test.each<[string, boolean]>([
    ['', true],
    ['metadata.name=a', true],
    ['metadata.name==a,status.phase!=Failed', true],
    ['spec.nodeName=', true],
    ['status.phase=Failed', false],
  ])('%j', (text, matches) => {
    expect(matchesFields(parseFieldSelector(text), fields)).toBe(matches)
  })

  test.each(['metadata.name', 'a=b=c', String.raw`a=b\x`, 'a'])('%j is refused', (text) => {
    expect(() => parseFieldSelector(text)).toThrow(SelectorError)
  })

  test('an unknown field is found', () => {
    expect(unknownField(parseFieldSelector('spec.other=1'), fields)).toBe('spec.other')
    expect(unknownField(parseFieldSelector('metadata.name=1'), fields)).toBeUndefined()
  })

  test('what is formatted is read back', () => {
    const one: fc.Arbitrary<FieldRequirement> = fc.record({
      field: fc.stringMatching(/^[a-z.]{1,10}$/),
      operator: fc.constantFrom('=', '!='),
      value: fc.string(),
    })
    fc.assert(
      fc.property(fc.array(one), (requirements) => {
        expect(parseFieldSelector(formatFieldSelector(requirements))).toEqual(requirements)
      }),
    )
  })
})
