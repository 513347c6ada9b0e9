import { stringify } from 'yaml'
import { parseJson } from '../schema/decode.ts'
import type { SchemaGraph } from '../schema/graph.ts'
import { builtinSchemaOf, decodeProtobuf, encodeProtobuf } from '../schema/protobuf.ts'
import { parseYaml } from '../schema/yaml.ts'
import type { Codecs } from './codecs.ts'

/** The schema graph's own parsers and printers, as the server uses them. */
export function schemaCodecs(graph: SchemaGraph): Codecs {
  const schemaOf = builtinSchemaOf(graph)
  return {
    parseJson,
    parseYaml(text) {
      const { value, duplicates } = parseYaml(text)
      // Aliases may share one node in several places; what follows changes nodes in place.
      return { value: parseJson(JSON.stringify(value ?? null)).value, strictErrors: duplicates }
    },
    parseProtobuf: (bytes) => decodeProtobuf(bytes, schemaOf),
    toProtobuf(object) {
      const { apiVersion = '', kind } = object
      const slash = apiVersion.indexOf('/')
      const schema = schemaOf(slash === -1 ? '' : apiVersion.slice(0, slash), apiVersion.slice(slash + 1), kind)
      return schema && encodeProtobuf(object, schema)
    },
    toYaml: (value) => stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 }),
  }
}
