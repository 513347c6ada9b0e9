import { createHash } from 'node:crypto'
import type { Random } from '../lib/clock.ts'
import { createAuthority, type CertificatePair } from './certificate-authority.ts'
import type { JoinTokenText } from './join-token.ts'
import { createServiceAccountKey, type ServiceAccountKey } from './service-account-keys.ts'

/**
 * What makes a cluster a cluster: made once by `stormo init`, given whole to every machine that joins, so that any
 * one of them can go on alone.
 */
export interface ClusterSecrets {
  clusterId: string
  clusterName: string
  ca: CertificatePair
  /** Signs the certificates by which API servers speak for users to extension API servers; believed for nothing else. */
  frontProxyCa: CertificatePair
  /** The first signs, all verify. */
  serviceAccountKeys: ServiceAccountKey[]
  /** Pre-shared key of the mesh, in the text form that @libp2p/pnet reads: three lines. */
  swarmKey: string
  /** Encrypts Secrets at rest; the first encrypts, all decrypt. 32 bytes, base64. */
  encryptionKeys: { id: string; key: string }[]
}

/** Makes the secrets of a new cluster. */
export async function createClusterSecrets(
  clusterName: string,
  nowMs: number,
  random: Random,
): Promise<ClusterSecrets> {
  const clusterId = Buffer.from(random.bytes(16)).toString('hex')
  return {
    clusterId,
    clusterName,
    ca: await createAuthority(`${clusterName}-ca`, nowMs, random),
    frontProxyCa: await createAuthority('front-proxy-ca', nowMs, random),
    serviceAccountKeys: [await createServiceAccountKey()],
    swarmKey: `/key/swarm/psk/1.0.0/\n/base16/\n${Buffer.from(random.bytes(32)).toString('hex')}`,
    encryptionKeys: [
      { id: Buffer.from(random.bytes(4)).toString('hex'), key: Buffer.from(random.bytes(32)).toString('base64') },
    ],
  }
}

/** A fresh token id and secret, and the hash under which the cluster knows the secret. */
export function createJoinSecret(random: Random): Pick<JoinTokenText, 'id' | 'secret'> & { secretHash: string } {
  const id = Buffer.from(random.bytes(5)).toString('hex')
  const secret = Buffer.from(random.bytes(24)).toString('base64url')
  return { id, secret, secretHash: joinSecretHash(secret) }
}

/** sha256, hex: what the decision log keeps of a join secret. */
export function joinSecretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
