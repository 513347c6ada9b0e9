import type { Pod, Secret } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { parseImageReference } from '../../runtime/image-reference.ts'
import type { RegistryAuth } from '../../runtime/runtime.ts'

interface AuthEntry {
  username?: string
  password?: string
  auth?: string
  identitytoken?: string
  registrytoken?: string
}

/** Credentials for an image from pull secrets (`kubernetes.io/dockerconfigjson` and the older `dockercfg`), best match first. */
export function registryCredentials(image: string, secrets: readonly Secret[]): RegistryAuth[] {
  const parsed = parseImageReference(image)
  if (parsed === undefined) return []
  const wanted = `${parsed.registry}/${parsed.repository}`
  const found: { length: number; auth: RegistryAuth }[] = []
  for (const [address, entry] of secrets.flatMap(entriesOf)) {
    const pattern = normalized(address)
    if (matches(pattern, wanted)) found.push({ length: pattern.length, auth: authOf(address, entry) })
  }
  return found.toSorted((a, b) => b.length - a.length).map(({ auth }) => auth)
}

/** Credentials that the pod's own pull secrets have for an image. */
export function imageCredentials(informers: Informers, { metadata, spec }: Pod, image: string): RegistryAuth[] {
  const secrets = informers.for<Secret>(refs.secrets)
  const named = (spec?.imagePullSecrets ?? []).flatMap(
    ({ name = '' }) => secrets.get(metadata.namespace ?? '', name) ?? [],
  )
  return registryCredentials(image, named)
}

function entriesOf(secret: Secret): [string, AuthEntry][] {
  const read = (key: string): unknown => {
    try {
      return JSON.parse(Buffer.from(String(secret.data?.[key] ?? ''), 'base64').toString('utf8'))
    } catch {
      return undefined
    }
  }
  const modern = read('.dockerconfigjson') as { auths?: Record<string, AuthEntry> } | undefined
  const old = read('.dockercfg') as Record<string, AuthEntry> | undefined
  return Object.entries(modern?.auths ?? old ?? {})
}

/** `https://index.docker.io/v1/` and the like name Docker Hub. */
function normalized(address: string): string {
  const bare = address.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '')
  return bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare
}

/** Host parts may hold `*`; a path matches as a prefix. */
function matches(pattern: string, wanted: string): boolean {
  const [patternHost = '', ...patternPath] = pattern.split('/')
  const [wantedHost = '', ...wantedPath] = wanted.split('/')
  const patternParts = patternHost.split('.')
  const wantedParts = wantedHost.split('.')
  if (patternParts.length !== wantedParts.length) return false
  const hostMatches = patternParts.every((part, index) => {
    const expression = part.split('*').map(escape).join('[^.]*')
    return new RegExp(`^${expression}$`).test(wantedParts[index] ?? '')
  })
  return hostMatches && wantedPath.join('/').startsWith(patternPath.join('/'))
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

function authOf(serverAddress: string, entry: AuthEntry): RegistryAuth {
  const decoded = entry.auth === undefined ? '' : Buffer.from(entry.auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  return {
    serverAddress,
    username: entry.username ?? decoded.slice(0, Math.max(0, colon)),
    password: entry.password ?? (colon < 0 ? '' : decoded.slice(colon + 1)),
    ...(entry.identitytoken ? { identityToken: entry.identitytoken } : {}),
    ...(entry.registrytoken ? { registryToken: entry.registrytoken } : {}),
  }
}
