/**
 * The syntaxes of names, in the words of k8s.io/apimachinery/pkg/util/validation. Each rule answers with what is
 * wrong, an empty list when nothing is. `prefix` asks whether a name may begin so (generateName).
 */
export type NameRule = (name: string, prefix?: boolean) => string[]

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = `${label}(\\.${label})*`
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelText = `(${qualified})?`

const patterns = {
  label: new RegExp(`^${label}$`),
  subdomain: new RegExp(`^${subdomain}$`),
  label1035: new RegExp(`^${label1035}$`),
  qualified: new RegExp(`^${qualified}$`),
  labelText: new RegExp(`^${labelText}$`),
}

/** A rule's sentence with examples and expression, as upstream words it. */
export function patternMessage(sentence: string, pattern: string, ...examples: string[]): string {
  const shown = examples.map((example) => `'${example}', `).join(' or ')
  return examples.length === 0
    ? `${sentence} (regex used for validation is '${pattern}')`
    : `${sentence} (e.g. ${shown}regex used for validation is '${pattern}')`
}

export const tooLongMessage = (maxLength: number) => `must be no more than ${maxLength} bytes`

const subdomainMessage = patternMessage(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  subdomain,
  'example.com',
)

function checked(text: string, maxLength: number, pattern: RegExp, message: string): string[] {
  const wrong = text.length > maxLength ? [tooLongMessage(maxLength)] : []
  // A text past its limit need not be searched: the answer is known, and its cost is the caller's to choose.
  if (text.length > 4096 || !pattern.test(text)) wrong.push(message)
  return wrong
}

/** A trailing dash ends no name, but may end what a name begins with. */
const masked = (name: string, prefix = false) =>
  prefix && name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name

export const dns1123Label: NameRule = (name, prefix) =>
  checked(
    masked(name, prefix),
    63,
    patterns.label,
    patternMessage(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
      label,
      'my-name',
      '123-abc',
    ),
  )

export const dns1123Subdomain: NameRule = (name, prefix) =>
  checked(masked(name, prefix), 253, patterns.subdomain, subdomainMessage)

export const dns1035Label: NameRule = (name, prefix) =>
  checked(
    masked(name, prefix),
    63,
    patterns.label1035,
    patternMessage(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
      label1035,
      'my-name',
      'abc-123',
    ),
  )

/** Names that only have to fit into a URL path (RBAC). */
export const pathSegment: NameRule = (name, prefix = false) => {
  if (!prefix && (name === '.' || name === '..')) return [`may not be '${name}'`]
  return ['/', '%'].filter((char) => name.includes(char)).map((char) => `may not contain '${char}'`)
}

/** Any name at all. */
export const anyName: NameRule = () => []

/** Label keys, annotation keys, resource names: `[prefix/]name`. */
export function qualifiedName(text: string): string[] {
  const parts = text.split('/')
  const wrong: string[] = []
  if (parts.length > 2) {
    return [
      `a qualified name ${patternMessage("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character", qualified, 'MyName', 'my.name', '123-abc')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const name = parts.at(-1) ?? ''
  if (parts.length === 2) {
    const prefix = parts[0] ?? ''
    if (prefix === '') wrong.push('prefix part must be non-empty')
    else wrong.push(...dns1123Subdomain(prefix).map((message) => `prefix part ${message}`))
  }
  if (name === '') wrong.push('name part must be non-empty')
  else if (name.length > 63) wrong.push(`name part ${tooLongMessage(63)}`)
  if (name.length > 4096 || !patterns.qualified.test(name)) {
    wrong.push(
      `name part ${patternMessage("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character", qualified, 'MyName', 'my.name', '123-abc')}`,
    )
  }
  return wrong
}

export const labelValue = (value: string): string[] =>
  checked(
    value,
    63,
    patterns.labelText,
    patternMessage(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      labelText,
      'MyValue',
      'my_value',
      '12345',
    ),
  )

/** Names of ports (IANA service names): at most 15 characters, one of them a letter. */
export function portName(name: string): string[] {
  const wrong: string[] = []
  if (name.length > 15) wrong.push('must be no more than 15 characters')
  if (!/^[-a-z0-9]*$/.test(name)) wrong.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) wrong.push('must contain at least one letter (a-z)')
  if (name.includes('--')) wrong.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) wrong.push('must not begin or end with a hyphen')
  return wrong
}

export function portNumber(port: number): string[] {
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? [] : ['must be between 1 and 65535, inclusive']
}

/** Environment variables may have any printable ASCII name without `=`. */
export function envVarName(name: string): string[] {
  if (name === '') return ['environment variable name must be non-empty']
  if (!/^[ -<>-~]+$/.test(name)) {
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
  }
  return name === '.' || name === '..' ? [`must not be '${name}'`] : []
}

/** Keys of ConfigMaps and Secrets: names of files. */
export function configMapKey(key: string): string[] {
  const wrong: string[] = []
  if (key.length > 253) wrong.push(tooLongMessage(253))
  if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
    wrong.push(
      patternMessage(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        '[-._a-zA-Z0-9]+',
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    )
  }
  if (key === '.') wrong.push("must not be '.'")
  else if (key === '..') wrong.push("must not be '..'")
  else if (key.startsWith('..')) wrong.push("must not start with '..'")
  return wrong
}

const percentPattern = /^[0-9]+%$/
export const isPercent = (text: string) => percentPattern.test(text)
