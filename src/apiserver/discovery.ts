import { createHash } from 'node:crypto'
import type { APIGroup, APIGroupList, APIResource, APIResourceList } from '../api/kinds.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import { apiVersionOf } from '../registry/api-version.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import type { Aggregator } from './aggregation/aggregator.ts'
import { mergedGroups, remoteEntries } from './aggregation/remote-discovery.ts'

/** Discovery as documents: views of the catalogue and of what extension API servers offer. */
export interface Discovery {
  /** GET /api */
  coreVersions(): object
  /** GET /apis */
  groupList(): APIGroupList
  /** GET /apis/{group} */
  group(name: string): APIGroup | undefined
  /** GET /api/v1, /apis/{group}/{version} */
  resourceList(group: string, version: string): APIResourceList | undefined
  /** APIGroupDiscoveryList of /api (core) or /apis, and its entity tag. */
  aggregated(which: 'api' | 'apis', version: 'v2' | 'v2beta1'): { body: object; etag: string }
}

export function createDiscovery(catalogue: Catalogue, aggregator?: Pick<Aggregator, 'all' | 'revision'>): Discovery {
  const cached = new Map<string, { revision: string; body: object; etag: string }>()

  const remotes = () => aggregator?.all() ?? []
  const groups = () => mergedGroups(catalogue.groups(), remotes())
  const revision = () => `${catalogue.revision()} ${aggregator?.revision() ?? 0}`

  function groupOf(name: string): APIGroup | undefined {
    const known = groups().find(({ group }) => group === name)
    if (!known || name === '') return undefined
    const versions = known.versions.map((version) => ({ groupVersion: `${name}/${version}`, version }))
    const preferredVersion = versions[0]
    return preferredVersion && { kind: 'APIGroup', apiVersion: 'v1', name, versions, preferredVersion }
  }

  return {
    coreVersions: () => ({
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '' }],
    }),
    groupList: () => ({
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groups().flatMap(({ group }) => {
        const { kind: _kind, apiVersion: _apiVersion, ...rest } = groupOf(group) ?? {}
        return 'name' in rest ? [rest as APIGroup] : []
      }),
    }),
    group: groupOf,
    resourceList(group, version) {
      const definitions = catalogue.resources(group, version)
      if (definitions.length === 0) return undefined
      return {
        kind: 'APIResourceList',
        apiVersion: 'v1',
        groupVersion: apiVersionOf({ group, version }),
        resources: definitions.flatMap((definition) => [plainResource(definition), ...plainSubresources(definition)]),
      }
    },
    aggregated(which, version) {
      const key = `${which} ${version}`
      const known = cached.get(key)
      if (known?.revision === revision()) return known
      const chosen = groups().filter(({ group }) => (group === '') === (which === 'api'))
      const body = {
        kind: 'APIGroupDiscoveryList',
        apiVersion: `apidiscovery.k8s.io/${version}`,
        metadata: {},
        items: chosen.map(({ group, versions }) => ({
          metadata: { ...(group ? { name: group } : {}), creationTimestamp: null },
          versions: versions.map((one) => {
            const remote = remotes().find(({ api }) => api.group === group && api.version === one)
            return {
              version: one,
              resources: remote ? remoteEntries(remote) : catalogue.resources(group, one).map(aggregatedResource),
              freshness: remote && !remote.availability.available ? 'Stale' : 'Current',
            }
          }),
        })),
      }
      const etag = `"${createHash('sha512').update(JSON.stringify(body)).digest('hex').slice(0, 64).toUpperCase()}"`
      const entry = { revision: revision(), body, etag }
      cached.set(key, entry)
      return entry
    },
  }
}

function plainResource(definition: ResourceDefinition): APIResource {
  const { resource, singular, namespaced, kind, verbs, shortNames, categories } = definition
  return {
    name: resource,
    singularName: singular,
    namespaced,
    kind,
    verbs: [...verbs],
    ...(shortNames.length > 0 ? { shortNames: [...shortNames] } : {}),
    ...(categories.length > 0 ? { categories: [...categories] } : {}),
    ...(verbs.includes('watch') ? { storageVersionHash: storageHash(definition) } : {}),
  }
}

function plainSubresources(definition: ResourceDefinition): APIResource[] {
  return definition.subresources.map((sub) => ({
    name: `${definition.resource}/${sub.name}`,
    singularName: '',
    namespaced: definition.namespaced,
    ...(sub.group === definition.group && sub.version === definition.version
      ? {}
      : { group: sub.group, version: sub.version }),
    kind: sub.kind,
    verbs: [...sub.verbs],
  }))
}

function aggregatedResource(definition: ResourceDefinition): object {
  const { group, version, resource, singular, kind, namespaced, verbs, shortNames, categories, subresources } =
    definition
  return {
    resource,
    responseKind: { group, version, kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subresources.length > 0
      ? {
          subresources: subresources.map((sub) => ({
            subresource: sub.name,
            responseKind: { group: sub.group, version: sub.version, kind: sub.kind },
            verbs: sub.verbs,
          })),
        }
      : {}),
  }
}

/** Tells clients when objects are kept in another version than before; computed as kube-apiserver's own. */
function storageHash({ group, storageVersion, kind }: ResourceDefinition): string {
  const digest = createHash('sha256').update(`${group}/${storageVersion}/${kind}`).digest()
  return digest.subarray(0, 8).toString('base64')
}
