import { encodeGnosticV2 } from '../../schema/gnostic.ts'
import type { OpenApiSnapshot } from '../../schema/openapi-publisher.ts'
import type { OpenApiSource } from '../openapi-routes.ts'
import type { Aggregator, KnownRemote } from './aggregator.ts'
import { mergeOpenApiV2, type OpenApiV2 } from './openapi-conversion.ts'

/** Our own documents with those of extension API servers among them. */
export function aggregatedOpenApi(
  local: OpenApiSource,
  aggregator: Aggregator,
  hash: (text: string) => string,
): OpenApiSource {
  let current: { local: OpenApiSnapshot; revision: number; snapshot: OpenApiSnapshot } | undefined
  return () => {
    const own = local()
    const remotes = aggregator.all().filter(({ openapi }) => openapi.v2 ?? openapi.v3)
    if (remotes.length === 0) return own
    const revision = aggregator.revision()
    if (current?.local !== own || current.revision !== revision) {
      current = { local: own, revision, snapshot: merged(own, remotes, hash) }
    }
    return current.snapshot
  }
}

const pathOf = ({ api }: KnownRemote): string => `apis/${api.group}/${api.version}`

function merged(
  local: OpenApiSnapshot,
  remotes: readonly KnownRemote[],
  hash: (text: string) => string,
): OpenApiSnapshot {
  const v3 = new Map(remotes.flatMap((one) => (one.openapi.v3 ? [[pathOf(one), one.openapi.v3] as const] : [])))
  const v2 = once(() =>
    remotes.reduce<OpenApiV2>(
      (document, one) => (one.openapi.v2 ? mergeOpenApiV2(document, one.openapi.v2, `/${pathOf(one)}`) : document),
      JSON.parse(local.v2Json().json) as OpenApiV2,
    ),
  )
  const v2Json = once(() => {
    const json = JSON.stringify(v2())
    return { json, hash: hash(json) }
  })
  return {
    indexJson: once(() => {
      const { paths } = JSON.parse(local.indexJson()) as { paths: Record<string, object> }
      for (const [path, document] of v3) {
        paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${document.hash}` }
      }
      return JSON.stringify({ paths })
    }),
    v3: (path) => v3.get(path) ?? local.v3(path),
    v2Json,
    v2Protobuf: once(() => ({ bytes: encodeGnosticV2(v2() as Record<string, unknown>), hash: `${v2Json().hash}P` })),
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
