import { X509Certificate } from 'node:crypto'
import { LruCache } from './lru-cache.ts'
import { groups, type User } from './user.ts'

const clientAuth = '1.3.6.1.5.5.7.3.2'
/** Clients on kept connections come back with the same certificate; a few hundred is more than a cluster has. */
const cacheSize = 512

interface Known {
  user: User | undefined
  notBeforeMs: number
  notAfterMs: number
}

/**
 * Checks client certificates against the cluster CA: CN is the user, each O a group. Returns undefined for a
 * certificate of another issuer, one out of its time, or one not meant for clients. The TLS layer proves that the
 * peer has the private key; the listener must ask for certificates without refusing strangers' ones.
 */
export function createCertificateAuthenticator(
  caPem: string,
): (peerCertificate: Uint8Array, nowMs: number) => User | undefined {
  const ca = new X509Certificate(caPem)
  const cache = new LruCache<Known>(cacheSize)

  function read(certificate: X509Certificate): Known {
    const window = {
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
    }
    const genuine = certificate.checkIssued(ca) && certificate.verify(ca.publicKey)
    // `keyUsage` is node's name for the extended key usages.
    const forClients = certificate.keyUsage?.includes(clientAuth) ?? false
    const names = certificate.toLegacyObject().subject as { CN?: string | string[]; O?: string | string[] }
    const commonName = [names.CN ?? []].flat()[0]
    if (!genuine || !forClients || !commonName) return { user: undefined, ...window }
    return {
      user: {
        username: commonName,
        groups: [...new Set([names.O ?? []].flat()), groups.authenticated],
        extra: {
          'authentication.kubernetes.io/credential-id': [
            `X509SHA256=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`,
          ],
        },
      },
      ...window,
    }
  }

  // A connection gives the same bytes with each request: those are not even parsed again.
  const byBytes = new WeakMap<Uint8Array, Known>()

  function identify(peerCertificate: Uint8Array): Known | undefined {
    const before = byBytes.get(peerCertificate)
    if (before) return before
    let certificate: X509Certificate
    try {
      certificate = new X509Certificate(peerCertificate)
    } catch {
      return undefined
    }
    const known = cache.getOrAdd(certificate.fingerprint256, () => read(certificate))
    byBytes.set(peerCertificate, known)
    return known
  }

  return (peerCertificate, nowMs) => {
    const known = identify(peerCertificate)
    if (!known) return undefined
    return nowMs >= known.notBeforeMs && nowMs <= known.notAfterMs ? known.user : undefined
  }
}
