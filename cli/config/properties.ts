import type { KubeconfigEntry } from '../../src/client/kubeconfig.ts'
import { UsageError } from '../command.ts'
import { entryField, type KubeconfigFiles, type Section } from './kubeconfig-files.ts'

/** Fields of a kubeconfig that have a type other than text. */
const fieldTypes: Readonly<Record<string, 'bytes' | 'switch' | 'list'>> = {
  'certificate-authority-data': 'bytes',
  'client-certificate-data': 'bytes',
  'client-key-data': 'bytes',
  'insecure-skip-tls-verify': 'switch',
  'disable-compression': 'switch',
  'as-groups': 'list',
}

const fields: Readonly<Record<Section, readonly string[]>> = {
  clusters: [
    'server',
    'tls-server-name',
    'insecure-skip-tls-verify',
    'certificate-authority',
    'certificate-authority-data',
    'proxy-url',
    'disable-compression',
  ],
  users: [
    'client-certificate',
    'client-certificate-data',
    'client-key',
    'client-key-data',
    'token',
    'tokenFile',
    'as',
    'as-uid',
    'as-groups',
    'username',
    'password',
  ],
  contexts: ['cluster', 'user', 'namespace'],
}

/** What a property's name says: the current context, a whole section or entry, or a field of an entry. */
type Property = { kind: 'current' } | { kind: 'entries'; section: Section; name?: string; field?: string }

const isSection = (word: string): word is Section => Object.hasOwn(entryField, word)

/** `clusters.my.cluster.server`: names may have dots, so the field is the last part that is one. */
export function parseProperty(text: string): Property {
  if (text === 'current-context') return { kind: 'current' }
  const [section = '', ...parts] = text.split('.')
  if (!isSection(section)) throw new UsageError(`unable to parse one or more field values of ${section}`)
  if (parts.length === 0) return { kind: 'entries', section }
  const last = parts.at(-1)!
  if (parts.length > 1 && fields[section].includes(last))
    return { kind: 'entries', section, name: parts.slice(0, -1).join('.'), field: last }
  return { kind: 'entries', section, name: parts.join('.') }
}

/** Sets the one field that `property` names; the entry is made when it is not there. */
export function setProperty(files: KubeconfigFiles, property: string, value: string, isRaw: boolean): void {
  const found = parseProperty(property)
  if (found.kind === 'current') return files.setCurrent(value)
  const { section, name, field } = found
  if (name === undefined || field === undefined)
    throw new UsageError(
      `${property} is no single value: name a field, such as ${section}.${name ?? '<name>'}.${fields[section][0]}`,
    )
  const before = files.entry(section, name)?.[entryField[section]]
  files.put(section, { name, [entryField[section]]: { ...before, [field]: parseValue(field, value, isRaw) } })
}

function parseValue(field: string, value: string, isRaw: boolean): unknown {
  switch (fieldTypes[field]) {
    case 'bytes':
      if (isRaw) return Buffer.from(value).toString('base64')
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value))
        throw new UsageError(`error decoding base64 of ${field}: give base64, or --set-raw-bytes`)
      return value
    case 'switch':
      if (value !== 'true' && value !== 'false') throw new UsageError(`${field} must be true or false, not "${value}"`)
      return value === 'true'
    case 'list':
      return value.split(',')
    case undefined:
      return value
  }
}

/** Takes away the field, entry or section that `property` names. */
export function unsetProperty(files: KubeconfigFiles, property: string): void {
  const found = parseProperty(property)
  if (found.kind === 'current') return files.setCurrent('')
  const { section, name, field } = found
  if (name === undefined) return files.clear(section)
  if (field === undefined) return files.remove(section, name)
  const entry = files.entry(section, name)
  if (!entry) throw new UsageError(`current map key \`${name}\` is invalid`)
  files.put(section, withoutField(entry, section, field))
}

function withoutField(entry: KubeconfigEntry, section: Section, field: string): KubeconfigEntry {
  const { [field]: _, ...left }: Record<string, unknown> = { ...entry[entryField[section]] }
  return { ...entry, [entryField[section]]: left }
}
