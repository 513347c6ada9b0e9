import type { APIResource } from '../../api/kinds.ts'
import type { ApiGroup } from '../../registry/catalogue.ts'
import { compareVersions, groupPriority } from '../../registry/version-order.ts'
import type { KnownRemote } from './aggregator.ts'

/** Groups of our own and of extension servers, in discovery order: by priority, then by name. Pure. */
export function mergedGroups(own: readonly ApiGroup[], remotes: readonly KnownRemote[]): readonly ApiGroup[] {
  if (remotes.length === 0) return own
  const priorities = new Map(own.map(({ group }) => [group, groupPriority(group)]))
  const versions = new Map(own.map((one) => [one.group, new Set(one.versions)]))
  for (const { api } of remotes) {
    priorities.set(api.group, Math.max(priorities.get(api.group) ?? 0, api.groupPriority))
    versions.set(api.group, (versions.get(api.group) ?? new Set()).add(api.version))
  }
  const versionPriority = (group: string, version: string): number =>
    remotes.find(({ api }) => api.group === group && api.version === version)?.api.versionPriority ?? 0
  return [...versions]
    .map(([group, all]) => ({
      group,
      versions: [...all].sort((a, b) => versionPriority(group, b) - versionPriority(group, a) || compareVersions(a, b)),
    }))
    .sort((a, b) => (priorities.get(b.group) ?? 0) - (priorities.get(a.group) ?? 0) || (a.group < b.group ? -1 : 1))
}

/** An extension server's resources as entries of aggregated discovery (apidiscovery.k8s.io APIResourceDiscovery). Pure. */
export function remoteEntries({ api, resources = [] }: KnownRemote): object[] {
  const responseKind = ({ group, version, kind }: APIResource) => ({
    group: group ?? api.group,
    version: version ?? api.version,
    kind,
  })
  const below = Map.groupBy(
    resources.filter(({ name }) => name.includes('/')),
    ({ name }) => name.slice(0, name.indexOf('/')),
  )
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map((one) => ({
      resource: one.name,
      responseKind: responseKind(one),
      scope: one.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: one.singularName,
      verbs: one.verbs,
      ...(one.shortNames?.length ? { shortNames: one.shortNames } : {}),
      ...(one.categories?.length ? { categories: one.categories } : {}),
      ...(below.has(one.name)
        ? {
            subresources: below.get(one.name)?.map((sub) => ({
              subresource: sub.name.slice(one.name.length + 1),
              responseKind: responseKind(sub),
              verbs: sub.verbs,
            })),
          }
        : {}),
    }))
}
