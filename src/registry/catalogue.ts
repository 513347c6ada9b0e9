import { EventEmitter } from 'node:events'
import type { GroupResource } from '../api/object.ts'
import { must } from '../lib/assert.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { compareVersions, groupPriority } from './version-order.ts'

/** The versions of one API group, the preferred first. */
export interface ApiGroup {
  readonly group: string
  readonly versions: readonly string[]
}

/**
 * The watchable table of everything served: built-in kinds and CRDs alike. Discovery, OpenAPI, garbage collection,
 * quota and namespace deletion are views of it, never lists kept by hand.
 */
export interface Catalogue {
  all(): readonly ResourceDefinition[]
  find(group: string, version: string, resource: string): ResourceDefinition | undefined
  findKind(group: string, version: string, kind: string): ResourceDefinition | undefined
  /** The version that clients are told to use. */
  preferred(ref: GroupResource): ResourceDefinition | undefined
  /** The definition of the version in which objects of `definition` are stored. */
  storage(definition: ResourceDefinition): ResourceDefinition
  /** In discovery order: core, then by upstream's group priority, then by name. */
  groups(): readonly ApiGroup[]
  /** Definitions of one group and version, by resource name. */
  resources(group: string, version: string): readonly ResourceDefinition[]
  /** Replaces what `source` contributes (a CRD's name; 'built-in'). An empty list withdraws it. */
  set(source: string, definitions: readonly ResourceDefinition[]): void
  /** Grows with each change: caches of views are keyed by it. */
  revision(): number
  /** Called after each change, synchronously. Returns the way to stop. */
  onChange(handler: () => void): () => void
}

interface Index {
  all: ResourceDefinition[]
  byResource: Map<string, ResourceDefinition>
  byKind: Map<string, ResourceDefinition>
  byGroupVersion: Map<string, ResourceDefinition[]>
  preferred: Map<string, ResourceDefinition>
  groups: ApiGroup[]
}

/** A catalogue that starts with the built-in definitions. */
export function createCatalogue(builtIn: readonly ResourceDefinition[]): Catalogue {
  const sources = new Map<string, readonly ResourceDefinition[]>([['built-in', builtIn]])
  const changes = new EventEmitter().setMaxListeners(100)
  let revision = 1
  let index = buildIndex(sources)

  const find = (group: string, version: string, resource: string) =>
    index.byResource.get(`${group}/${version}/${resource}`)
  return {
    all: () => index.all,
    find,
    findKind: (group, version, kind) => index.byKind.get(`${group}/${version}/${kind}`),
    preferred: (ref) => index.preferred.get(`${ref.group}/${ref.resource}`),
    storage(definition) {
      const at = definition.storedAs ?? definition
      return (
        find(at.group, definition.storageVersion, at.resource) ??
        must(index.preferred.get(`${at.group}/${at.resource}`), `no storage version of ${at.resource}`)
      )
    },
    groups: () => index.groups,
    resources: (group, version) => index.byGroupVersion.get(`${group}/${version}`) ?? [],
    set(source, definitions) {
      if (definitions.length === 0) sources.delete(source)
      else sources.set(source, definitions)
      index = buildIndex(sources)
      revision++
      changes.emit('change')
    },
    revision: () => revision,
    onChange(handler) {
      changes.on('change', handler)
      return () => changes.off('change', handler)
    },
  }
}

function buildIndex(sources: ReadonlyMap<string, readonly ResourceDefinition[]>): Index {
  const byResource = new Map<string, ResourceDefinition>()
  const byKind = new Map<string, ResourceDefinition>()
  const byGroupVersion = new Map<string, ResourceDefinition[]>()
  const versions = new Map<string, Set<string>>()
  for (const definitions of sources.values()) {
    for (const definition of definitions) {
      const { group, version } = definition
      const key = `${group}/${version}/${definition.resource}`
      // The first source to name a resource keeps it: a CRD never shadows a built-in kind.
      if (byResource.has(key)) continue
      byResource.set(key, definition)
      if (!byKind.has(`${group}/${version}/${definition.kind}`))
        byKind.set(`${group}/${version}/${definition.kind}`, definition)
      // A version that is stored but not served is no part of any view.
      if (definition.verbs.length === 0 && definition.subresources.length === 0) continue
      const peers = byGroupVersion.get(`${group}/${version}`)
      if (peers) peers.push(definition)
      else byGroupVersion.set(`${group}/${version}`, [definition])
      const known = versions.get(group)
      if (known) known.add(version)
      else versions.set(group, new Set([version]))
    }
  }
  for (const list of byGroupVersion.values()) list.sort((a, b) => (a.resource < b.resource ? -1 : 1))
  const groups = [...versions]
    .map(([group, set]) => ({ group, versions: [...set].sort(compareVersions) }))
    .sort((a, b) => groupPriority(b.group) - groupPriority(a.group) || (a.group < b.group ? -1 : 1))
  const preferred = new Map<string, ResourceDefinition>()
  for (const { group, versions: ordered } of groups) {
    for (const version of ordered) {
      for (const definition of byGroupVersion.get(`${group}/${version}`) ?? []) {
        const key = `${group}/${definition.resource}`
        if (!preferred.has(key)) preferred.set(key, definition)
      }
    }
  }
  return { all: [...byResource.values()], byResource, byKind, byGroupVersion, preferred, groups }
}
