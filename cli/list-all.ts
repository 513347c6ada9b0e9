import type { KubeObject } from '../src/api/object.ts'
import { isStatus } from '../src/api/status-error.ts'
import type { RestClient } from '../src/client/rest-client.ts'
import { apiVersionOf } from './discovery.ts'
import { type ServerTable, tableAccept } from './server-table.ts'
import type { Target } from './targets.ts'

const defaultPageSize = 500

/** One object, or all pages of a list with the kind that its items leave out. */
export async function listAll(
  client: RestClient,
  path: string,
  query: Record<string, string | undefined>,
  target: Pick<Target, 'resource' | 'name'>,
  pageSize = defaultPageSize,
): Promise<KubeObject[]> {
  if (target.name !== undefined) return [await client.json<KubeObject>({ path, query })]
  const { resource } = target
  const apiVersion = apiVersionOf(resource)
  const typed = (items: readonly KubeObject[]): KubeObject[] =>
    items.map((item) => ({ ...item, apiVersion, kind: resource.kind }))
  const objects: KubeObject[] = []
  let next: string | undefined
  do {
    const pageQuery = { ...query, limit: pageSize > 0 ? String(pageSize) : undefined, continue: next }
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

/** The server's table of one object or of all pages of a list. */
export async function listTable(
  client: RestClient,
  path: string,
  query: Record<string, string | undefined>,
  pageSize = defaultPageSize,
): Promise<ServerTable> {
  const limit = pageSize > 0 ? String(pageSize) : undefined
  const table = await client.json<ServerTable>({ path, query: { ...query, limit }, accept: tableAccept })
  const rows = [...table.rows]
  let next = table.metadata?.continue
  while (next) {
    try {
      const pageQuery = { ...query, limit, continue: next }
      const page = await client.json<ServerTable>({ path, query: pageQuery, accept: tableAccept })
      rows.push(...page.rows)
      next = page.metadata?.continue
    } catch (error) {
      if (!isStatus(error, 'Expired', 'Gone')) throw error
      return await client.json<ServerTable>({ path, query, accept: tableAccept })
    }
  }
  return { ...table, rows }
}
