import type { ConfigMap, Secret, ServiceAccount } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { configMapKey } from '../meta/names.ts'
import { immutableMessage, invalidEach, sameValue, utf8Length } from '../meta/validate.ts'
import { traits } from '../traits.ts'

/** Bytes of all values of one ConfigMap or Secret. */
const maxDataBytes = 1024 * 1024

const sizeOf = (data: Record<string, unknown> | undefined) => Object.keys(data ?? {}).length
/** Bytes that base64 text stands for. */
const decodedLength = (text: string) => Math.floor((text.replaceAll(/[=\s]/g, '').length * 3) / 4)

function validateConfigMap({ data, binaryData }: ConfigMap): FieldError[] {
  const wrong: FieldError[] = []
  let bytes = 0
  for (const [key, value] of Object.entries(data ?? {})) {
    wrong.push(...invalidEach(`data[${key}]`, key, configMapKey(key)))
    if (binaryData && Object.hasOwn(binaryData, key)) {
      wrong.push(fieldErrors.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    }
    bytes += utf8Length(value)
  }
  for (const [key, value] of Object.entries(binaryData ?? {})) {
    wrong.push(...invalidEach(`binaryData[${key}]`, key, configMapKey(key)))
    bytes += decodedLength(value)
  }
  // Upstream reports the whole object, which has no path.
  if (bytes > maxDataBytes) wrong.push(fieldErrors.tooLong('', maxDataBytes))
  return wrong
}

const frozenMessage = 'field is immutable when `immutable` is set'

function validateFrozen(
  next: { immutable?: boolean; data?: object; binaryData?: object },
  old: { immutable?: boolean; data?: object; binaryData?: object },
): FieldError[] {
  if (!old.immutable) return []
  const wrong: FieldError[] = []
  if (!next.immutable) wrong.push(fieldErrors.forbidden('immutable', frozenMessage))
  for (const field of ['data', 'binaryData'] as const) {
    if (!sameValue(next[field] ?? {}, old[field] ?? {})) wrong.push(fieldErrors.forbidden(field, frozenMessage))
  }
  return wrong
}

export const configMapTraits = traits<ConfigMap>({
  group: '',
  resource: 'configmaps',
  shortNames: ['cm'],
  columns: [
    nameColumn,
    column<ConfigMap>('Data', ({ data, binaryData }) => sizeOf(data) + sizeOf(binaryData), {
      description: 'Number of keys.',
    }),
    ageColumn,
  ],
  strategy: { validate: validateConfigMap, validateUpdate: validateFrozen },
})

/** What a secret of a type must hold (core/validation.ValidateSecret). */
const requiredKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
}
const tokenType = 'kubernetes.io/service-account-token'
const accountAnnotation = 'kubernetes.io/service-account.name'

function validateSecret({ metadata, data, type }: Secret): FieldError[] {
  const wrong: FieldError[] = []
  let bytes = 0
  for (const [key, value] of Object.entries(data ?? {})) {
    wrong.push(...invalidEach(`data[${key}]`, key, configMapKey(key)))
    bytes += decodedLength(value)
  }
  if (bytes > maxDataBytes) wrong.push(fieldErrors.tooLong('data', maxDataBytes))
  if (type === tokenType && !metadata.annotations?.[accountAnnotation]) {
    wrong.push(fieldErrors.required(`metadata.annotations[${accountAnnotation}]`))
  }
  for (const key of requiredKeys[type ?? ''] ?? []) {
    const value = data?.[key]
    if (value === undefined) wrong.push(fieldErrors.required(`data[${key}]`))
    else if (key.startsWith('.docker') && !isJson(value)) {
      wrong.push(fieldErrors.invalid(`data[${key}]`, '<secret contents redacted>', 'invalid JSON'))
    }
  }
  if (type === 'kubernetes.io/basic-auth' && data?.['username'] === undefined && data?.['password'] === undefined) {
    wrong.push(fieldErrors.required('data[username]'), fieldErrors.required('data[password]'))
  }
  return wrong
}

function isJson(base64: string): boolean {
  try {
    JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))))
    return true
  } catch {
    return false
  }
}

export const secretTraits = traits<Secret>({
  group: '',
  resource: 'secrets',
  columns: [
    nameColumn,
    column<Secret>('Type', ({ type }) => type ?? ''),
    column<Secret>('Data', ({ data }) => sizeOf(data), { description: 'Number of keys.' }),
    ageColumn,
  ],
  selectable: ({ type }) => ({ type: type ?? '' }),
  strategy: {
    prepareForUpdate(secret, old) {
      secret.type ||= old.type
    },
    applyDefaults(secret) {
      secret.type ||= 'Opaque'
      if (!secret.stringData) return
      // A field for writing only: readers find the same bytes under data.
      secret.data = { ...secret.data }
      for (const [key, text] of Object.entries(secret.stringData)) secret.data[key] = toBase64(text)
      delete secret.stringData
    },
    validate: validateSecret,
    validateUpdate: (secret, old) => [
      ...(secret.type === old.type ? [] : [fieldErrors.invalid('type', secret.type ?? '', immutableMessage)]),
      ...validateFrozen(secret, old),
    ],
  },
})

function toBase64(text: string): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}

export const serviceAccountTraits = traits<ServiceAccount>({
  group: '',
  resource: 'serviceaccounts',
  shortNames: ['sa'],
  columns: [nameColumn, column<ServiceAccount>('Secrets', ({ secrets }) => secrets?.length ?? 0), ageColumn],
})
