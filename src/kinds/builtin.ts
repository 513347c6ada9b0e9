import type { KubeObject } from '../api/object.ts'
import type { ResourceData } from '../schema/graph-data.ts'
import type { SchemaGraph } from '../schema/graph.ts'
import { allTraits } from './all-traits.ts'
import { defaultColumns } from './columns.ts'
import { composeStrategies } from './compose.ts'
import type { ResourceDefinition, SubresourceDefinition } from './definition.ts'
import { dns1123Subdomain } from './meta/names.ts'
import type { KindTraits } from './traits.ts'
import { newestVersion } from './versions.ts'

/** The part of the schema graph that is read here. */
export type ResourceGraph = Pick<SchemaGraph, 'resources' | 'byKind'>

/** Every built-in resource in every served version: the facts of the schema data joined with the hand-written traits. */
export function builtinResources(graph: ResourceGraph): ResourceDefinition[] {
  const traitsByKey = new Map(allTraits.map((one) => [traitsKey(one.group, one.resource, one.version), one]))
  const versionsByKey = Map.groupBy(graph.resources, ({ group, resource }) => traitsKey(group, resource))
  return graph.resources.map((data) => {
    const found =
      traitsByKey.get(traitsKey(data.group, data.resource, data.version)) ??
      traitsByKey.get(traitsKey(data.group, data.resource))
    const versions = (versionsByKey.get(traitsKey(data.group, data.resource)) ?? []).map(({ version }) => version)
    return define(graph, data, found ?? { group: data.group, resource: data.resource }, versions)
  })
}

const traitsKey = (group: string, resource: string, version = '*') => `${group}/${version}/${resource}`

function define(graph: ResourceGraph, data: ResourceData, kind: KindTraits, versions: string[]): ResourceDefinition {
  const subresources = Object.entries(data.subresources).map(subresourceOf)
  const { strategy, subresourceStrategies } = composeStrategies(kind, {
    namespaced: data.namespaced,
    nameRule: kind.nameRule ?? dns1123Subdomain,
    subresources: subresources.filter((one) => one.kind === data.kind).map(({ name }) => name),
  })
  return {
    group: data.group,
    version: data.version,
    resource: data.resource,
    singular: data.kind.toLowerCase(),
    kind: data.kind,
    listKind: `${data.kind}List`,
    namespaced: data.namespaced,
    verbs: withWatch(data.verbs),
    shortNames: kind.shortNames ?? [],
    categories: kind.categories ?? [],
    schemaName: graph.byKind(data.group, data.version, data.kind)?.name ?? data.kind,
    storageVersion: kind.storageVersion ?? newestVersion(versions),
    ...(kind.storedAs ? { storedAs: kind.storedAs } : {}),
    subresources,
    strategy,
    subresourceStrategies,
    columns: kind.columns ?? defaultColumns,
    selectableFields: (object) => ({
      'metadata.name': object.metadata.name ?? '',
      ...(data.namespaced ? { 'metadata.namespace': object.metadata.namespace ?? '' } : {}),
      ...kind.selectable?.(object),
    }),
    decided: kind.decided ?? false,
    ...conversionOf(kind, data.group, versions),
    hasGeneration: kind.hasGeneration ?? false,
  }
}

/** Stored lists can be watched; the data file leaves that verb out. ComponentStatus is computed, never stored. */
function withWatch(verbs: readonly string[]): string[] {
  const stored = verbs.includes('list') && verbs.includes('create')
  return [...new Set(stored ? [...verbs, 'watch'] : verbs)].toSorted()
}

function subresourceOf([name, { kind, verbs }]: [string, ResourceData['subresources'][string]]): SubresourceDefinition {
  const connectVerbs = name === 'proxy' ? ['create', 'delete', 'get', 'patch', 'update'] : ['create', 'get']
  return {
    name,
    group: kind[0],
    version: kind[1],
    kind: kind[2],
    // Discovery names the HTTP methods that connect, not the connecting.
    verbs: verbs.includes('connect') ? connectVerbs : verbs,
  }
}

/** Versions of one shape differ in their name alone. */
function conversionOf(kind: KindTraits, group: string, versions: string[]): Pick<ResourceDefinition, 'convertTo'> {
  if (kind.convertTo) return { convertTo: kind.convertTo }
  if (versions.length < 2) return {}
  return { convertTo: (object: KubeObject, version) => ({ ...object, apiVersion: `${group}/${version}` }) }
}
