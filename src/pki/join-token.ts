/**
 * What a machine needs to find and trust the cluster, in one line that survives a shell and a chat window:
 * `stormo.<base64url of JSON>`. Whoever holds it may join until it expires or is revoked.
 */
export interface JoinTokenText {
  version: 1
  /** Names the token in the decision log; not secret. */
  id: string
  /** Proves that the joiner was given the token. Only its sha256 is stored in the cluster. */
  secret: string
  /** Multiaddrs of members, first to try first. */
  bootstrap: string[]
  /** `sha256:<hex>` of the cluster CA's public key: whom to believe. */
  caFingerprint: string
  cluster: string
}

const prefix = 'stormo.'
/** Far beyond any real token; keeps a pasted file from being parsed. */
const maxLength = 8192

/** The one-line form. */
export function encodeJoinToken(token: JoinTokenText): string {
  const compact = [token.version, token.id, token.secret, token.caFingerprint, token.cluster, token.bootstrap]
  return prefix + Buffer.from(JSON.stringify(compact)).toString('base64url')
}

/** Reads the one-line form. Throws an Error whose message says what is wrong and what to do. */
export function parseJoinToken(text: string): JoinTokenText {
  const trimmed = text.trim()
  if (!trimmed.startsWith(prefix)) {
    throw malformed(`it must start with "${prefix}"`)
  }
  if (trimmed.length > maxLength) throw malformed(`it is longer than ${maxLength} characters`)
  const body = trimmed.slice(prefix.length)
  if (!/^[A-Za-z0-9_-]+$/.test(body)) throw malformed('it holds characters that a token never has')
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'))
  } catch {
    throw malformed('it is cut off or altered')
  }
  if (!Array.isArray(fields)) throw malformed('it is cut off or altered')
  const [version, id, secret, caFingerprint, cluster, bootstrap] = fields as unknown[]
  if (version !== 1)
    throw new Error(
      `join token: version ${String(version)} is of another release of stormo; use the same release on every machine`,
    )
  if (typeof id !== 'string' || !/^[a-z0-9]{6,32}$/.test(id)) throw malformed('its id is missing')
  if (typeof secret !== 'string' || secret.length < 16) throw malformed('its secret is missing')
  if (typeof caFingerprint !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(caFingerprint)) {
    throw malformed("the cluster's fingerprint is missing")
  }
  if (typeof cluster !== 'string' || cluster === '') throw malformed("the cluster's name is missing")
  if (
    !Array.isArray(bootstrap) ||
    !bootstrap.every((one): one is string => typeof one === 'string' && one.startsWith('/'))
  ) {
    throw malformed('its bootstrap addresses are not multiaddrs')
  }
  return { version, id, secret, bootstrap, caFingerprint, cluster }
}

function malformed(why: string): Error {
  return new Error(`malformed join token: ${why}; make a new one with "stormo token create" on a member`)
}
