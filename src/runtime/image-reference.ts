/** A parsed image reference, in Docker's normal form (github.com/distribution/reference). */
export interface ImageReference {
  /** Registry host, such as `docker.io` or `registry.local:5000`. */
  readonly registry: string
  /** Path inside the registry, such as `library/nginx`. */
  readonly repository: string
  /** Defaults to `latest` when neither tag nor digest is given. */
  readonly tag: string | undefined
  readonly digest: string | undefined
}

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const host = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?$/
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/

/** Undefined when the text is no image reference (InvalidImageName). */
export function parseImageReference(text: string): ImageReference | undefined {
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  if (digest !== undefined && !digestPattern.test(digest)) return undefined
  let rest = at < 0 ? text : text.slice(0, at)
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1)
  let tag: string | undefined
  if (colon >= 0) {
    tag = rest.slice(colon + 1)
    if (!tagPattern.test(tag)) return undefined
    rest = rest.slice(0, colon)
  }
  const slash = rest.indexOf('/')
  const first = slash < 0 ? '' : rest.slice(0, slash)
  const hasHost = first !== '' && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first)
  const registry = hasHost ? first : 'docker.io'
  let repository = hasHost ? rest.slice(slash + 1) : rest
  if (!hasHost && slash < 0) repository = `library/${repository}`
  if (!host.test(registry) || !repository.split('/').every((part) => component.test(part))) return undefined
  if (repository.length + registry.length > 255) return undefined
  return { registry, repository, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest }
}

/** True when the default pull policy of this reference is Always: no digest, and tag `latest` or none. */
export function isLatest(text: string): boolean {
  const parsed = parseImageReference(text)
  return parsed !== undefined && parsed.digest === undefined && parsed.tag === 'latest'
}
