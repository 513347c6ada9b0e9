import { createPrivateKey, webcrypto, type KeyObject } from 'node:crypto'

const curve = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** How the cluster CA signs. */
export const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' } as const

/** A new P-256 key pair, exportable. */
export function generateKeyPair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
}

/** PKCS#8 PEM of a private key. */
export async function exportPrivateKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}

/** Reads a P-256 private key from PEM (PKCS#8 or SEC1), in the form of both crypto interfaces. */
export async function importPrivateKey(pem: string): Promise<{ key: webcrypto.CryptoKey; nodeKey: KeyObject }> {
  const nodeKey = createPrivateKey(pem)
  const der = nodeKey.export({ format: 'der', type: 'pkcs8' })
  const key = await webcrypto.subtle.importKey('pkcs8', der, curve, false, ['sign'])
  return { key, nodeKey }
}

/** PEM text as files hold it: one line feed at its end. */
export function pemOf(text: string): string {
  return `${text.trim()}\n`
}
