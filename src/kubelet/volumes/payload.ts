import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, VolumeProjection } from '../../api/kinds.ts'
import { fieldValue, resourceValue, type DownwardFacts } from '../pod/field-path.ts'
import type { PodSources } from '../pod/container-env.ts'

export interface VolumeFile {
  readonly content: Uint8Array
  readonly mode: number
  /** Owner; root when absent. */
  readonly user?: number
}

/** Files of a volume by path relative to its root. */
export type Payload = Map<string, VolumeFile>

/** A volume cannot be made yet: FailedMount with this message; it is tried again. */
export class VolumeError extends Error {
  override name = 'VolumeError'
}

const defaultFileMode = 0o644
const text = (value: string): Uint8Array => Buffer.from(value, 'utf8')
const base64 = (value: unknown): Uint8Array => Buffer.from(String(value), 'base64')

/** Data of a ConfigMap as bytes by key. */
const configMapData = (configMap: ConfigMap): Map<string, Uint8Array> =>
  new Map([
    ...Object.entries(configMap.data ?? {}).map(([key, value]) => [key, text(value)] as const),
    ...Object.entries(configMap.binaryData ?? {}).map(([key, value]) => [key, base64(value)] as const),
  ])

const secretData = (secret: Secret): Map<string, Uint8Array> =>
  new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, base64(value)] as const))

interface KeyedSource {
  readonly items?: readonly KeyToPath[]
  readonly optional?: boolean
}

/** All keys, or those that are named, under their paths. */
function selectKeys(
  data: Map<string, Uint8Array> | undefined,
  source: KeyedSource,
  defaultMode: number,
  what: string,
): Payload {
  if (data === undefined) {
    if (source.optional) return new Map()
    throw new VolumeError(`${what} not found`)
  }
  if (source.items === undefined || source.items.length === 0) {
    return new Map([...data].map(([key, content]) => [key, { content, mode: defaultMode }]))
  }
  const payload: Payload = new Map()
  for (const { key, path, mode } of source.items) {
    const content = data.get(key)
    if (content !== undefined) payload.set(path, { content, mode: mode ?? defaultMode })
    else if (!source.optional) throw new VolumeError(`references non-existent ${what.split(' ')[0]} key: ${key}`)
  }
  return payload
}

export function configMapPayload(
  name: string,
  source: KeyedSource,
  sources: PodSources,
  mode = defaultFileMode,
): Payload {
  const found = sources.configMap(name)
  return selectKeys(found && configMapData(found), source, mode, `configmap "${name}"`)
}

export function secretPayload(name: string, source: KeyedSource, sources: PodSources, mode = defaultFileMode): Payload {
  const found = sources.secret(name)
  return selectKeys(found && secretData(found), source, mode, `secret "${name}"`)
}

export function downwardPayload(
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[],
  facts: DownwardFacts,
  defaultMode = defaultFileMode,
): Payload {
  const payload: Payload = new Map()
  for (const { path, mode, fieldRef, resourceFieldRef } of items) {
    const value = fieldRef
      ? fieldValue(pod, fieldRef.fieldPath, facts)
      : resourceFieldRef
        ? resourceValue(pod, resourceFieldRef.containerName ?? '', resourceFieldRef, facts)
        : ''
    payload.set(path, { content: text(value), mode: mode ?? defaultMode })
  }
  return payload
}

/** Tokens are asked for outside, because that takes a call; `tokens` holds them by path. */
export function projectedPayload(
  pod: Pod,
  projections: readonly VolumeProjection[],
  defaultMode: number,
  sources: PodSources,
  facts: DownwardFacts,
  tokens: ReadonlyMap<string, string>,
): Payload {
  const payload: Payload = new Map()
  const merge = (part: Payload): void => part.forEach((file, path) => payload.set(path, file))
  for (const projection of projections) {
    const { configMap, secret, downwardAPI, serviceAccountToken } = projection
    if (configMap) merge(configMapPayload(configMap.name ?? '', configMap, sources, defaultMode))
    if (secret) merge(secretPayload(secret.name ?? '', secret, sources, defaultMode))
    if (downwardAPI) merge(downwardPayload(pod, downwardAPI.items ?? [], facts, defaultMode))
    if (serviceAccountToken) {
      const token = tokens.get(serviceAccountToken.path)
      if (token === undefined) throw new VolumeError(`no token for path ${serviceAccountToken.path}`)
      payload.set(serviceAccountToken.path, { content: text(token), ...tokenAccess(pod, defaultMode) })
    }
  }
  return payload
}

/**
 * A token is for the user that all containers share, or for the pod's group, and for nobody else; without either it has
 * the volume's mode (KEP-1205).
 */
function tokenAccess({ spec }: Pod, defaultMode: number): Pick<VolumeFile, 'mode' | 'user'> {
  const ofPod = spec?.securityContext ?? {}
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const users = new Set(containers.map(({ securityContext }) => securityContext?.runAsUser ?? ofPod.runAsUser))
  const [user] = users
  if (users.size === 1 && user !== undefined) return { mode: 0o600, user }
  return { mode: ofPod.fsGroup === undefined ? defaultMode : 0o600 }
}
