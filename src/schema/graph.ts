import data from '../api/data/kubernetes.json' with { type: 'json' }
import type { DefinitionData, FieldData, KubernetesData, ResourceData } from './graph-data.ts'
import type { Field, InlinedMessage, Schema } from './schema.ts'

/** The built-in kinds as a graph of schemas. Nodes are made when first asked for and are the same object ever after. */
export interface SchemaGraph {
  /** By OpenAPI name (`io.k8s.api.apps.v1.Deployment`). */
  get(openApiName: string): Schema | undefined
  /** The schema that `apiVersion`/`kind` of a body name; group '' for core. */
  byKind(group: string, version: string, kind: string): Schema | undefined
  /** Every OpenAPI name, sorted. */
  readonly names: readonly string[]
  /** Every served resource with its verbs and subresources, as upstream's discovery lists them. */
  readonly resources: readonly ResourceData[]
}

let builtin: SchemaGraph | undefined

/** The graph of Kubernetes v1.36's kinds, made once a process. */
export function loadBuiltinSchemas(): SchemaGraph {
  builtin ??= createGraph(data as unknown as KubernetesData)
  return builtin
}

const scalarSchemas: Readonly<Record<string, Schema>> = {
  string: leaf('string'),
  byte: leaf('string', 'byte'),
  int32: leaf('integer', 'int32'),
  int64: leaf('integer', 'int64'),
  double: leaf('number', 'double'),
  boolean: leaf('boolean'),
  object: { ...leaf('object'), preserveUnknown: true },
  any: { ...leaf('any'), preserveUnknown: true },
}

/** A node without fields, items or name: the starting point of every other. */
export function leaf(type: Schema['type'], format?: string): Schema {
  return {
    name: undefined,
    type,
    format,
    fields: new Map(),
    values: undefined,
    items: undefined,
    listType: undefined,
    listMapKeys: [],
    mapType: undefined,
    nullable: false,
    preserveUnknown: false,
  }
}

/** Makes a graph of a data file: {@link loadBuiltinSchemas} for the project's own. */
export function createGraph(source: KubernetesData): SchemaGraph {
  const made = new Map<string, Schema>()
  const kinds = new Map<string, string>()
  for (const [name, definition] of Object.entries(source.definitions))
    for (const [group, version, kind] of definition.gvk ?? []) kinds.set(`${group}/${version}/${kind}`, name)

  const get = (name: string): Schema | undefined => {
    const known = made.get(name)
    if (known) return known
    const definition = Object.hasOwn(source.definitions, name) ? source.definitions[name] : undefined
    if (!definition) return undefined
    // Registered before its fields exist: a definition may refer to itself (JSONSchemaProps).
    const node = definitionNode(name, definition, source)
    made.set(name, node)
    return node
  }

  const typed = (type: string): Schema => {
    if (type.startsWith('#')) return get(type.slice(1)) ?? scalarSchemas['any']!
    if (type.startsWith('[]')) return { ...leaf('array'), items: typed(type.slice(2)) }
    if (type.startsWith('{}')) return { ...leaf('object'), values: typed(type.slice(2)) }
    return scalarSchemas[type] ?? scalarSchemas['any']!
  }

  const fieldOf = (fieldData: FieldData, required: boolean): Field => {
    const base = typed(fieldData.type)
    const kindOfMerge = {
      ...(base.type === 'array' ? { listType: fieldData.listType, listMapKeys: fieldData.listMapKeys ?? [] } : {}),
      ...(fieldData.mapType && base.name === undefined ? { mapType: fieldData.mapType } : {}),
    }
    return {
      schema: Object.keys(kindOfMerge).length > 0 ? { ...base, ...kindOfMerge } : base,
      required,
      default: fieldData.default,
      patchStrategy: fieldData.patchStrategy ?? [],
      patchMergeKey: fieldData.patchMergeKey,
      enum: fieldData.enum,
      proto: fieldData.proto,
      pointer: fieldData.pointer ?? false,
      always: fieldData.always ?? false,
      mapType: fieldData.mapType,
    }
  }

  /** The fields of a definition are resolved at the first look at them, so that one kind does not load all others. */
  function definitionNode(name: string, definition: DefinitionData, all: KubernetesData): Schema {
    const required = new Set(definition.required)
    let fields: ReadonlyMap<string, Field> | undefined
    return {
      ...leaf(definition.type ?? 'object', definition.format),
      name,
      mapType: definition.mapType,
      preserveUnknown: definition.format === 'raw' || definition.type === 'any',
      kinds: definition.gvk,
      required: definition.required,
      unions: definition.unions,
      inlined: definition.inlined?.map((one) => inlinedMessage(one, all)),
      get objectForm() {
        return /\.JSONSchemaPropsOr\w+$/.test(name) ? get(name.replace(/Or\w+$/, '')) : undefined
      },
      get fields() {
        fields ??= new Map(
          Object.entries(definition.fields ?? {}).map(([field, one]) => [field, fieldOf(one, required.has(field))]),
        )
        return fields
      },
    }
  }

  return {
    get,
    byKind: (group, version, kind) => {
      const name = kinds.get(`${group}/${version}/${kind}`)
      return name === undefined ? undefined : get(name)
    },
    names: Object.keys(source.definitions).toSorted(),
    resources: source.resources,
  }
}

function inlinedMessage(one: { proto: number; struct: string }, all: KubernetesData): InlinedMessage {
  const numbers = all.inlined[one.struct]
  if (numbers) return { proto: one.proto, fields: new Map(Object.entries(numbers)), inlined: [] }
  const definition = all.definitions[one.struct]
  const fields = Object.entries(definition?.fields ?? {}).flatMap(([name, { proto }]) =>
    proto === undefined ? [] : [[name, proto] as const],
  )
  return {
    proto: one.proto,
    fields: new Map(fields),
    inlined: (definition?.inlined ?? []).map((nested) => inlinedMessage(nested, all)),
  }
}
