import { Optional, type Environment } from '@marcbachmann/cel-js'

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'

interface Format {
  maxLength: number
  pattern: RegExp
  message: string
}

/** The formats of k8s.io/apiserver/pkg/cel/library/format.go, with the validation's own words. */
const formats: Record<string, Format> = {
  dns1123Label: {
    maxLength: 63,
    pattern: new RegExp(`^${label}$`),
    message:
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  },
  dns1123Subdomain: {
    maxLength: 253,
    pattern: new RegExp(`^${label}(\\.${label})*$`),
    message:
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  },
  dns1035Label: {
    maxLength: 63,
    pattern: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
    message:
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  },
  qualifiedName: {
    maxLength: 317,
    pattern: new RegExp(`^(${label}(\\.${label})*/)?${qualified}$`),
    message:
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  },
  labelValue: {
    maxLength: 63,
    pattern: new RegExp(`^(${qualified})?$`),
    message:
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  },
  uuid: {
    maxLength: 36,
    pattern: /^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$/,
    message: 'does not match the UUID format',
  },
  byte: {
    maxLength: 1_500_000,
    pattern: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    message: 'invalid base64',
  },
  date: { maxLength: 10, pattern: /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, message: 'invalid date' },
  datetime: {
    maxLength: 64,
    pattern: /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
    message: 'invalid datetime',
  },
}

class CelFormat {
  readonly format: Format
  constructor(format: Format) {
    this.format = format
  }
}
/** Stands behind `format.` in expressions. */
class Formats {
  readonly name = 'format'
}

/** `format.dns1123Label().validate(text)`: an optional list of what is wrong. */
export function registerNamedFormats(env: Environment): void {
  env
    .registerType('kubernetes.NamedFormat', { ctor: CelFormat, fields: {} })
    .registerType('kubernetes.Formats', { ctor: Formats, fields: {} })
    .registerConstant('format', 'kubernetes.Formats', new Formats())
    .registerFunction(
      'kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>',
      (_: Formats, name: string) => (formats[name] ? Optional.of(new CelFormat(formats[name])) : Optional.none()),
    )
    .registerFunction('kubernetes.NamedFormat.validate(string): optional<list<string>>', validate)
  for (const name of Object.keys(formats)) {
    env.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => new CelFormat(formats[name]!))
  }
}

function validate({ format }: CelFormat, text: string): Optional<string[]> {
  const found: string[] = []
  if (text.length > format.maxLength) found.push(`must be no more than ${format.maxLength} bytes`)
  if (!format.pattern.test(text)) found.push(format.message)
  return found.length ? Optional.of(found) : Optional.none()
}
