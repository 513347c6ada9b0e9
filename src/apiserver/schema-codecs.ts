import { stringify } from 'yaml'
import { StatusError } from '../api/status-error.ts'
import { parseJson } from '../schema/decode.ts'
import { parseYaml } from '../schema/yaml.ts'
import type { Codecs } from './codecs.ts'

/** The protobuf half of the codecs: `k8s\0` envelopes of the kinds that have numbers for their fields. */
export interface ProtobufCodec {
  decode(bytes: Uint8Array): unknown
  /** undefined when the kind has no protobuf form. */
  encode(object: object): Uint8Array | undefined
}

/** The schema's own parsers as the server uses them. */
export function schemaCodecs(protobuf?: ProtobufCodec): Codecs {
  return {
    parseJson,
    parseYaml(text) {
      const { value, duplicates } = parseYaml(text)
      // Aliases may share one node in several places; what follows changes nodes in place.
      return { value: parseJson(JSON.stringify(value ?? null)).value, strictErrors: duplicates }
    },
    parseProtobuf(bytes) {
      if (!protobuf) throw new StatusError('UnsupportedMediaType', 'this server reads no protobuf')
      return { value: protobuf.decode(bytes), strictErrors: [] }
    },
    toProtobuf: (object) => protobuf?.encode(object),
    toYaml: (value) => stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 }),
  }
}
