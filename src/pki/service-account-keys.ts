import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

/** A key that signs service-account tokens, as kept in the cluster's secrets. */
export interface ServiceAccountKey {
  /** base64url sha256 of the public key's DER, as upstream names its keys in the JWKS. */
  kid: string
  /** PKCS#8 PEM. */
  privatePem: string
}

/** An opened {@link ServiceAccountKey}. */
export interface OpenServiceAccountKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** Relying parties of OIDC must support RS256 and need not support anything else (OIDC Core 1.0, 15.1). */
export const serviceAccountAlgorithm = 'RS256'

/** A new RSA-2048 key. */
export async function createServiceAccountKey(): Promise<ServiceAccountKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const privatePem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return { kid: keyId(createPublicKey(privateKey)), privatePem }
}

/** Opens a key. Throws when the PEM does not hold an RSA private key. */
export function openServiceAccountKey(key: ServiceAccountKey): OpenServiceAccountKey {
  const privateKey = createPrivateKey(key.privatePem)
  if (privateKey.asymmetricKeyType !== 'rsa') throw new Error('a service-account signing key must be RSA')
  const publicKey = createPublicKey(privateKey)
  return { kid: keyId(publicKey), privateKey, publicKey }
}

function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('base64url')
}

/** A public key as a JSON Web Key Set holds it (RFC 7517). */
export interface PublicJwk {
  use: 'sig'
  kty: 'RSA'
  kid: string
  alg: typeof serviceAccountAlgorithm
  n: string
  e: string
}

/** The document at /openid/v1/jwks. */
export function jsonWebKeySet(keys: readonly OpenServiceAccountKey[]): { keys: PublicJwk[] } {
  return {
    keys: keys.map((key) => {
      const { n = '', e = '' } = key.publicKey.export({ format: 'jwk' })
      return { use: 'sig', kty: 'RSA', kid: key.kid, alg: serviceAccountAlgorithm, n, e }
    }),
  }
}
