import { stringify } from 'yaml'
import type { KubeObject } from '../api/object.ts'
import { parseJson } from '../schema/decode.ts'
import { rememberFrozen } from '../lib/remember-frozen.ts'
import type { SchemaGraph } from '../schema/graph.ts'
import { builtinSchemaOf, decodeProtobuf, encodeProtobuf, encodeWatchEvent } from '../schema/protobuf.ts'
import { yamlToJson } from '../schema/yaml.ts'
import type { Codecs } from './codecs.ts'

/** In each form, twice at most: some 10,000 pods. */
const maxRememberedBytes = 16 * 1024 * 1024

/** The schema graph's own parsers and printers, as the server uses them. */
export function schemaCodecs(graph: SchemaGraph): Codecs {
  const schemaOf = builtinSchemaOf(graph)
  const encode = (object: KubeObject): Uint8Array | undefined => {
    const { apiVersion = '', kind } = object
    const slash = apiVersion.indexOf('/')
    const schema = schemaOf(slash === -1 ? '' : apiVersion.slice(0, slash), apiVersion.slice(slash + 1), kind)
    return schema && encodeProtobuf(object, schema)
  }
  const toProtobuf = rememberFrozen(encode, (bytes) => bytes?.length ?? 0, maxRememberedBytes)
  const toJson = rememberFrozen(
    (object: object) => JSON.stringify(object),
    (text) => text.length,
    maxRememberedBytes,
  )
  return {
    parseJson,
    parseYaml(text) {
      const { json, duplicates } = yamlToJson(text)
      return { value: parseJson(json).value, strictErrors: duplicates }
    },
    parseProtobuf: (bytes) => decodeProtobuf(bytes, schemaOf),
    toProtobuf,
    toJson,
    toWatchFrame(type, object) {
      const encoded = toProtobuf(object)
      return encoded && encodeWatchEvent(type, encoded)
    },
    toYaml: (value) => stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 }),
  }
}
