import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto'

/**
 * `sha256:<hex>` over the DER of the certificate's public key (SubjectPublicKeyInfo), which stays the same when the
 * certificate is renewed with the same key. The form of kubeadm's --discovery-token-ca-cert-hash.
 */
export function fingerprintOf(certPem: string | Uint8Array): string {
  const spki = new X509Certificate(certPem).publicKey.export({ format: 'der', type: 'spki' })
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`
}

/** True when the certificate's key is the one that the fingerprint pins. */
export function matchesFingerprint(certPem: string | Uint8Array, fingerprint: string): boolean {
  const actual = Buffer.from(fingerprintOf(certPem))
  const expected = Buffer.from(fingerprint.toLowerCase())
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}
