import { leafLifetimeMs, type CertificateAuthority, type CertificatePair } from './certificate-authority.ts'
import { serverNames } from './subject-names.ts'

/** The API server's certificate of one node; also good as client, since nodes call each other's API servers. */
export function issueServerCertificate(
  authority: CertificateAuthority,
  options: { nodeName: string; addresses: readonly string[]; clusterDomain?: string; serviceIp?: string },
  nowMs: number,
): Promise<CertificatePair> {
  return authority.issue(
    {
      subject: { commonName: options.nodeName },
      names: serverNames(options),
      usages: ['server'],
      lifetimeMs: leafLifetimeMs,
    },
    nowMs,
  )
}

/** A user's certificate: CN is the user name, each O a group. */
export function issueClientCertificate(
  authority: CertificateAuthority,
  options: { user: string; groups?: readonly string[]; lifetimeMs?: number },
  nowMs: number,
): Promise<CertificatePair> {
  return authority.issue(
    {
      subject: { commonName: options.user, organizations: options.groups ?? [] },
      usages: ['client'],
      lifetimeMs: options.lifetimeMs ?? leafLifetimeMs,
    },
    nowMs,
  )
}

/** The identity `system:node:<name>` in group `system:nodes` by which a kubelet is known. */
export function issueNodeCertificate(
  authority: CertificateAuthority,
  nodeName: string,
  nowMs: number,
): Promise<CertificatePair> {
  return issueClientCertificate(authority, { user: `system:node:${nodeName}`, groups: ['system:nodes'] }, nowMs)
}

/** The name by which extension API servers know our API servers: their requestheader-allowed-names. */
export const frontProxyName = 'front-proxy-client'

/** The certificate of an API server that speaks for users to extension API servers. `authority`: the front proxy's. */
export function issueFrontProxyCertificate(authority: CertificateAuthority, nowMs: number): Promise<CertificatePair> {
  return issueClientCertificate(authority, { user: frontProxyName }, nowMs)
}
