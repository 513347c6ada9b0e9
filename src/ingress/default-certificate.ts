import type { Random } from '../lib/clock.ts'
import { createAuthority, openAuthority } from '../pki/certificate-authority.ts'
import { issueServerCertificate } from '../pki/certificates.ts'

/**
 * A certificate with its key, by an authority that nobody trusts and nobody keeps: for hosts that have none of their
 * own. Clients that do not verify get encryption, the others are told.
 */
export async function makeDefaultCertificate(nowMs: number, random: Random): Promise<string> {
  const authority = await openAuthority(
    await createAuthority('Stormo Ingress Default Certificate', nowMs, random),
    random,
  )
  const pair = await issueServerCertificate(authority, { nodeName: 'ingress.local', addresses: [] }, nowMs)
  return `${pair.certPem.trim()}\n${pair.keyPem.trim()}\n`
}
