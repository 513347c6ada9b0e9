import type { RestClient } from '../src/client/rest-client.ts'
import { UsageError } from './command.ts'

/** A resource as discovery tells it. */
export interface ApiResource {
  group: string
  version: string
  resource: string
  singular: string
  kind: string
  namespaced: boolean
  shortNames: readonly string[]
  categories: readonly string[]
  verbs: readonly string[]
  subresources: readonly string[]
}

/** `apps/v1`, and of the core group `v1`. */
export const apiVersionOf = ({ group, version }: Pick<ApiResource, 'group' | 'version'>): string =>
  group ? `${group}/${version}` : version

interface DiscoveryList {
  items: {
    metadata?: { name?: string }
    versions: {
      version: string
      resources: {
        resource: string
        responseKind: { kind: string }
        scope: 'Namespaced' | 'Cluster'
        singularResource?: string
        shortNames?: string[]
        categories?: string[]
        verbs: string[]
        subresources?: { subresource: string }[]
      }[]
    }[]
  }[]
}

const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/** What the server serves: every version of every resource, preferred versions first (two requests). */
export async function discover(client: RestClient): Promise<ApiResource[]> {
  const lists = await Promise.all(['/api', '/apis'].map((path) => client.json<DiscoveryList>({ path, accept })))
  return lists.flatMap((list) =>
    list.items.flatMap((group) =>
      group.versions.flatMap(({ version, resources }) =>
        resources.map((one) => ({
          group: group.metadata?.name ?? '',
          version,
          resource: one.resource,
          singular: one.singularResource ?? one.resource,
          kind: one.responseKind.kind,
          namespaced: one.scope === 'Namespaced',
          shortNames: one.shortNames ?? [],
          categories: one.categories ?? [],
          verbs: one.verbs,
          subresources: (one.subresources ?? []).map(({ subresource }) => subresource),
        })),
      ),
    ),
  )
}

/** What a user calls `deploy`, `deployments.apps`, `Deployment` or `deployments.v1.apps`. Core wins where names are the same. */
export function findResource(resources: readonly ApiResource[], text: string): ApiResource {
  const wanted = text.toLowerCase()
  const [name = '', ...rest] = wanted.split('.')
  const suffix = rest.join('.')
  const isNamed = (one: ApiResource): boolean =>
    one.resource === name || one.singular === name || one.kind.toLowerCase() === name || one.shortNames.includes(name)
  const found =
    suffix === ''
      ? resources.find(isNamed)
      : (resources.find((one) => isNamed(one) && one.group === suffix) ??
        resources.find((one) => isNamed(one) && `${one.version}.${one.group}`.replace(/\.$/, '') === suffix))
  if (!found) throw new UsageError(`the server doesn't have a resource type "${text}"`)
  return found
}

/** The resources that `a,b` or a category such as `all` stands for, each once. */
export function findResources(resources: readonly ApiResource[], text: string): ApiResource[] {
  const found = text.split(',').flatMap((one) => {
    const inCategory = resources.filter((resource) => resource.categories.includes(one.toLowerCase()))
    return inCategory.length > 0 ? inCategory : [findResource(resources, one)]
  })
  // Of several versions the first, which is the preferred one.
  const seen = new Set<string>()
  return found.filter((one) => {
    const key = `${one.resource}.${one.group}`
    const isNew = !seen.has(key)
    seen.add(key)
    return isNew
  })
}

/** The resource of a manifest's apiVersion and kind. */
export function resourceOfKind(
  resources: readonly ApiResource[],
  apiVersion: string,
  kind: string,
): ApiResource | undefined {
  const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion]
  return resources.find((one) => one.group === group && one.version === version && one.kind === kind)
}

/** `/api/v1/namespaces/default/pods/web`, or the collection without a name; without a namespace that of all namespaces. */
export function pathOf(
  resource: ApiResource,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return [
    `${root}${scope}/${resource.resource}`,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource ? [subresource] : []),
  ].join('/')
}

/** `deployment.apps/web`, as kubectl names what it touched. */
export const displayName = (resource: ApiResource, name: string): string =>
  `${resource.group ? `${resource.singular}.${resource.group}` : resource.singular}/${name}`
