import { connect, type DetailedPeerCertificate } from 'node:tls'
import { isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { Member } from '../decision/cluster-state.ts'
import { StatusError } from '../api/status-error.ts'
import { createRestClient } from '../client/rest-client.ts'
import type { ClusterSecrets } from '../pki/cluster-secrets.ts'
import { matchesFingerprint } from '../pki/fingerprint.ts'
import type { JoinTokenText } from '../pki/join-token.ts'
import type { ClusterConfig } from './membership-file.ts'

/** What a joiner tells of itself. */
export interface JoinRequest {
  tokenId: string
  secret: string
  member: Pick<Member, 'node' | 'peer' | 'addresses' | 'apiUrl' | 'zone' | 'speaks'>
}

/** What the cluster gives to whoever holds a good token. */
export interface JoinAnswer {
  secrets: ClusterSecrets
  self: Member
  members: Member[]
  config: ClusterConfig
}

export const joinPath = '/stormo/v1/join'

const connectTimeoutMs = 5_000

/** Where the API server of a bootstrap multiaddr listens; a mesh address without a port of its own means port 6443. */
export function bootstrapTarget(address: string, defaultPort: number): { host: string; port: number } {
  let parts: { name: string; value?: string }[]
  try {
    parts = multiaddr(address).getComponents()
  } catch {
    throw new Error(
      `bootstrap address ${JSON.stringify(address)} is no multiaddr: write it like /ip4/192.0.2.7/tcp/6443`,
    )
  }
  const host = parts.find((part) => ['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(part.name))?.value
  if (!host)
    throw new Error(`bootstrap address ${JSON.stringify(address)} names no host: write it like /ip4/192.0.2.7/tcp/6443`)
  const port = Number(parts.find((part) => part.name === 'tcp')?.value ?? defaultPort)
  return { host, port }
}

/**
 * Asks the bootstrap members in turn to be taken in. The server must show the CA that the token names; only then does it
 * get to see the secret. Throws an Error that says for each address what went wrong, or the cluster's own refusal.
 */
export async function requestJoin(
  token: JoinTokenText,
  bootstrap: readonly string[],
  member: JoinRequest['member'],
  progress: (line: string) => void,
): Promise<JoinAnswer> {
  const failures: string[] = []
  for (const address of bootstrap) {
    const target = bootstrapTarget(address, 6443)
    try {
      progress(`Joining ${token.cluster} through ${target.host}:${target.port}…`)
      const caPem = await fetchAuthority(target, token.caFingerprint)
      const server = `https://${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`
      const client = createRestClient({ server, caPem, insecure: false, namespace: 'default' })
      try {
        const body: JoinRequest = { tokenId: token.id, secret: token.secret, member }
        return await client.json<JoinAnswer>({ method: 'POST', path: joinPath, body, timeoutMs: 20_000 })
      } finally {
        client.close()
      }
    } catch (error) {
      // The cluster has spoken; another of its members would say the same.
      if (
        error instanceof StatusError &&
        ['Forbidden', 'Unauthorized', 'BadRequest', 'AlreadyExists', 'Conflict', 'Invalid'].includes(error.reason)
      )
        throw new Error(`the cluster refused: ${error.message}`, { cause: error })
      failures.push(`${address}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new Error(`no bootstrap address could be reached:\n  ${failures.join('\n  ')}`)
}

/** The CA at the end of the server's chain, if it is the one that the token names. */
function fetchAuthority(target: { host: string; port: number }, fingerprint: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // Nothing is sent before the certificate was compared with the token's fingerprint.
    const socket = connect({
      host: target.host,
      port: target.port,
      rejectUnauthorized: false,
      timeout: connectTimeoutMs,
    })
    const fail = (message: string): void => {
      socket.destroy()
      reject(new Error(message))
    }
    socket.on('timeout', () => fail(`no answer in ${connectTimeoutMs / 1000} s`))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      fail(error.code === 'ECONNREFUSED' ? 'connection refused' : error.message),
    )
    socket.on('secureConnect', () => {
      const pems = chain(socket.getPeerCertificate(true)).map((certificate) => toPem(certificate.raw))
      const found = pems.find((pem) => matchesFingerprint(pem, fingerprint))
      if (!found) return fail("the server is not of the token's cluster (its CA has another fingerprint)")
      socket.end()
      resolve(found)
    })
  })
}

function chain(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const certificates: DetailedPeerCertificate[] = []
  let current: DetailedPeerCertificate | undefined = leaf
  while (current?.raw && !certificates.includes(current) && certificates.length < 8) {
    certificates.push(current)
    current = current.issuerCertificate === current ? undefined : current.issuerCertificate
  }
  return certificates
}

const toPem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der
    .toString('base64')
    .replaceAll(/(.{64})/g, '$1\n')
    .trimEnd()}\n-----END CERTIFICATE-----\n`
