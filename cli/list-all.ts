import type { KubeObject } from '../src/api/object.ts'
import { isStatus } from '../src/api/status-error.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import type { Target } from './targets.ts'

const pageSize = 500

/** One object, or all pages of a list with the kind that its items leave out. */
export async function listAll(
  client: RestClient,
  path: string,
  query: Record<string, string | undefined>,
  target: Target,
): Promise<KubeObject[]> {
  if (target.name !== undefined) return [await client.json<KubeObject>({ path, query })]
  const { resource } = target
  const apiVersion = resource.group ? `${resource.group}/${resource.version}` : resource.version
  const typed = (items: readonly KubeObject[]): KubeObject[] =>
    items.map((item) => ({ ...item, apiVersion, kind: resource.kind }))
  const objects: KubeObject[] = []
  let next: string | undefined
  do {
    const pageQuery = { ...query, limit: String(pageSize), continue: next }
    const page: { metadata: { continue?: string }; items: KubeObject[] } | undefined = await client
      .json<{ metadata: { continue?: string }; items: KubeObject[] }>({ path, query: pageQuery })
      .catch((error: unknown) => {
        if (next !== undefined && isStatus(error, 'Expired', 'Gone')) return undefined
        throw error
      })
    // The place in the list is lost: take it whole, as client-go's pager does.
    if (!page) return typed((await client.json<{ items: KubeObject[] }>({ path, query })).items)
    objects.push(...typed(page.items))
    next = page.metadata.continue || undefined
  } while (next !== undefined)
  return objects
}
