import { StatusError } from '../api/status-error.ts'

/** How an answer is to look. */
export interface Negotiated {
  format: 'json' | 'yaml' | 'protobuf'
  /** `Table` and the metadata views, each of meta.k8s.io/`version`. */
  as?: { kind: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'; version: string }
}

export const mediaTypes = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
} as const

interface Clause {
  type: string
  parameters: Map<string, string>
  quality: number
}

const maxClauses = 64

/** Clauses of an Accept header, the most wanted first; equals stay in order (RFC 9110 §12.5.1). */
export function parseAccept(header: string | undefined): Clause[] {
  if (header === undefined || header.trim() === '') return []
  return header
    .split(',')
    .slice(0, maxClauses)
    .map((text) => {
      const [type = '', ...rest] = text.split(';').map((part) => part.trim())
      const parameters = new Map<string, string>()
      for (const one of rest) {
        const at = one.indexOf('=')
        if (at > 0) parameters.set(one.slice(0, at).toLowerCase(), one.slice(at + 1))
      }
      const quality = Number(parameters.get('q') ?? 1)
      return { type: type.toLowerCase(), parameters, quality: Number.isFinite(quality) ? quality : 1 }
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
}

/**
 * The first clause that can be served. Protobuf only for clients that take nothing else: everybody reads JSON, and
 * V8 writes it faster than any encoder of ours. Throws NotAcceptable.
 */
export function negotiate(header: string | undefined, offers: { transforms: boolean; protobuf: boolean }): Negotiated {
  const clauses = parseAccept(header)
  if (clauses.length === 0) return { format: 'json' }
  const readsJson = clauses.some(({ type }) => formatOf(type, false) === 'json')
  for (const { type, parameters } of clauses) {
    const format = formatOf(type, offers.protobuf && !readsJson)
    if (!format) continue
    const kind = parameters.get('as')
    if (kind === undefined) return { format }
    const version = parameters.get('v') ?? ''
    const known = kind === 'Table' || kind === 'PartialObjectMetadata' || kind === 'PartialObjectMetadataList'
    if (!offers.transforms || !known || parameters.get('g') !== 'meta.k8s.io' || !/^v1(beta1)?$/.test(version)) continue
    // Tables hold cells of any type, which protobuf has no message for.
    if (kind === 'Table' && format === 'protobuf') continue
    return { format, as: { kind, version } }
  }
  throw new StatusError(
    'NotAcceptable',
    `only the following media types are accepted: ${Object.values(mediaTypes).join(', ')}`,
  )
}

function formatOf(type: string, protobuf: boolean): Negotiated['format'] | undefined {
  if (type === '*/*' || type === 'application/*' || type === mediaTypes.json) return 'json'
  if (type === mediaTypes.yaml) return 'yaml'
  if (protobuf && type === mediaTypes.protobuf) return 'protobuf'
  return undefined
}
