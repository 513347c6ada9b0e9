/** A label selector as it is written in an object (metav1.LabelSelector). */
export interface LabelSelectorObject {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

export type LabelOperator = '=' | '!=' | 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'

/** One condition on one label. A selector is the conjunction of its requirements; none match everything. */
export interface LabelRequirement {
  readonly key: string
  readonly operator: LabelOperator
  readonly values: readonly string[]
}

/** One condition on one field: only equality is known. */
export interface FieldRequirement {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

/** The text or object is no selector: a caller's mistake (400). */
export class SelectorError extends Error {
  override name = 'SelectorError'
}

/** Longest selector that is read; a request line is no longer either. */
const maxSelectorLength = 65_536

type Labels = Readonly<Record<string, string>> | undefined

/** Whether all requirements hold. */
export function matchesLabels(requirements: readonly LabelRequirement[], labels: Labels): boolean {
  return requirements.every((requirement) => matchesLabel(requirement, labels))
}

/** Whether the requirement holds; Gt and Lt compare whole numbers, and never hold for what is none. */
export function matchesLabel({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case '=':
    case 'In':
      return value !== undefined && values.includes(value)
    case '!=':
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
    case 'Lt': {
      const bound = values[0]
      if (value === undefined || bound === undefined || !integer.test(value) || !integer.test(bound)) return false
      return operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound)
    }
  }
}

const integer = /^[+-]?\d{1,19}$/

/**
 * The requirements of a selector object; undefined (no selector at all) for undefined or null, which matches nothing,
 * while `{}` matches everything. Throws {@link SelectorError} for an unknown operator.
 */
export function labelSelectorRequirements(
  selector: LabelSelectorObject | undefined | null,
): readonly LabelRequirement[] | undefined {
  if (selector === undefined || selector === null) return undefined
  const known = remembered.get(selector)
  if (known) return known
  const requirements = requirementsOf(selector)
  if (Object.isFrozen(selector)) remembered.set(selector, requirements)
  return requirements
}

/** Of selectors in stored objects, which are frozen: one is held against thousands of objects. */
const remembered = new WeakMap<LabelSelectorObject, readonly LabelRequirement[]>()

function requirementsOf(selector: LabelSelectorObject): LabelRequirement[] {
  const requirements = Object.entries(selector.matchLabels ?? {}).map(([key, value]): LabelRequirement => ({
    key,
    operator: '=',
    values: [value],
  }))
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    if (operator !== 'In' && operator !== 'NotIn' && operator !== 'Exists' && operator !== 'DoesNotExist') {
      throw new SelectorError(`"${operator}" is not a valid label selector operator`)
    }
    requirements.push({ key, operator, values: values ?? [] })
  }
  return requirements
}

/** Whether a selector object selects these labels: undefined selects nothing, `{}` everything. */
export function matchesLabelSelector(selector: LabelSelectorObject | undefined | null, labels: Labels): boolean {
  const requirements = labelSelectorRequirements(selector)
  return requirements !== undefined && matchesLabels(requirements, labels)
}

/** Whether a plain map selects these labels (services, replication controllers): an empty one selects nothing. */
export function matchesLabelMap(selector: Readonly<Record<string, string>> | undefined, labels: Labels): boolean {
  const wanted = Object.entries(selector ?? {})
  return wanted.length > 0 && wanted.every(([key, value]) => labels !== undefined && labels[key] === value)
}

/** The text form of requirements, sorted by key: what parse reads back to the same selector. */
export function formatRequirements(requirements: readonly LabelRequirement[]): string {
  return requirements
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(formatRequirement)
    .join(',')
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  const set = () => `(${values.toSorted().join(',')})`
  switch (operator) {
    case '=':
    case '!=':
      return `${key}${operator}${values[0] ?? ''}`
    case 'In':
      return `${key} in ${set()}`
    case 'NotIn':
      return `${key} notin ${set()}`
    case 'Exists':
      return key
    case 'DoesNotExist':
      return `!${key}`
    case 'Gt':
      return `${key}>${values[0] ?? ''}`
    case 'Lt':
      return `${key}<${values[0] ?? ''}`
  }
}

/** A selector object as printers show it; `<none>` when it is absent or empty. */
export function formatLabelSelector(selector: LabelSelectorObject | undefined | null): string {
  try {
    const text = formatRequirements(labelSelectorRequirements(selector) ?? [])
    return text === '' ? '<none>' : text
  } catch (error) {
    if (error instanceof SelectorError) return '<error>'
    throw error
  }
}

/** A plain label map as printers show it: `a=1,b=2` sorted by key, `<none>` when empty. */
export function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .toSorted()
  return pairs.length === 0 ? '<none>' : pairs.join(',')
}

/**
 * The fields of a field selector: `metadata.name=a,status.phase!=Running`, with `\\`, `\,` and `\=` escaped in
 * values. Throws {@link SelectorError}.
 */
export function parseFieldSelector(text: string): FieldRequirement[] {
  if (text.length > maxSelectorLength) throw new SelectorError('the selector is too long')
  return splitUnescaped(text)
    .filter((term) => term !== '')
    .map((term) => {
      const found = /^((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)(.*)$/s.exec(term)
      if (!found) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`)
      const [, field = '', operator, value = ''] = found
      return { field, operator: operator === '!=' ? '!=' : '=', value: unescapeValue(value) }
    })
}

function splitUnescaped(text: string): string[] {
  const terms: string[] = []
  let start = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === ',') {
      terms.push(text.slice(start, at))
      start = at + 1
    }
  }
  terms.push(text.slice(start))
  return terms
}

function unescapeValue(value: string): string {
  let plain = ''
  for (let at = 0; at < value.length; at++) {
    const char = value[at]
    if (char === '\\') {
      const next = value[++at]
      if (next !== '\\' && next !== ',' && next !== '=') {
        throw new SelectorError(`invalid field selector: invalid escape sequence in value: ${value}`)
      }
      plain += next
    } else if (char === '=') {
      throw new SelectorError(`invalid field selector: unescaped character in value: ${value}`)
    } else plain += char
  }
  return plain
}

/** The text form that {@link parseFieldSelector} reads back. */
export function formatFieldSelector(requirements: readonly FieldRequirement[]): string {
  return requirements
    .map(({ field, operator, value }) => `${field}${operator}${value.replaceAll(/[\\,=]/g, String.raw`\$&`)}`)
    .join(',')
}

/** Whether the fields hold. A field that the kind does not offer must be refused before (see {@link unknownField}). */
export function matchesFields(
  requirements: readonly FieldRequirement[],
  fields: Readonly<Record<string, string>>,
): boolean {
  return requirements.every(({ field, operator, value }) => {
    const actual = Object.hasOwn(fields, field) ? (fields[field] ?? '') : ''
    return operator === '=' ? actual === value : actual !== value
  })
}

/** The first required field that is not among the kind's selectable ones. */
export function unknownField(
  requirements: readonly FieldRequirement[],
  fields: Readonly<Record<string, string>>,
): string | undefined {
  return requirements.find(({ field }) => !Object.hasOwn(fields, field))?.field
}
