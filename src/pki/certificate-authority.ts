import { X509Certificate as NodeCertificate } from 'node:crypto'
import type { Random } from '../lib/clock.ts'
import { fingerprintOf } from './fingerprint.ts'
import { exportPrivateKey, generateKeyPair, importPrivateKey, pemOf, signingAlgorithm } from './keys.ts'
import type { AlternativeName } from './subject-names.ts'
import * as x509 from './x509.ts'

/** A certificate and its private key, both PEM (PKCS#8 for the key). */
export interface CertificatePair {
  certPem: string
  keyPem: string
}

export interface CertificateSubject {
  /** The user's name: CN. */
  commonName: string
  /** The user's groups: one O each. */
  organizations?: readonly string[]
}

export type CertificateUsage = 'server' | 'client'

/** What to sign; `publicKey` is the subject's. */
export interface CertificateTemplate {
  subject: CertificateSubject
  names?: readonly AlternativeName[]
  usages: readonly CertificateUsage[]
  lifetimeMs: number
}

/** The cluster's CA with its key at hand. Every node holds one: no machine is needed for another to work. */
export interface CertificateAuthority {
  readonly certPem: string
  /** `sha256:<hex>` of the public key, as kubeadm's --discovery-token-ca-cert-hash. */
  readonly fingerprint: string
  /** Makes a fresh P-256 key and a certificate for it. */
  issue(template: CertificateTemplate, nowMs: number): Promise<CertificatePair>
  /** Certifies a key that somebody else made. Returns the certificate, PEM. */
  sign(template: CertificateTemplate, publicKey: x509.PublicKeyType, nowMs: number): Promise<string>
}

const dayMs = 86_400_000
/** The CA's own lifetime, as kubeadm's. */
export const authorityLifetimeMs = 3650 * dayMs
/** Certificates that our own programs use; renewed at each start of an agent. */
export const leafLifetimeMs = 365 * dayMs
/** Clocks of machines differ: a certificate counts from a little before it was made. */
const backdateMs = 5 * 60_000

/** Makes a new cluster CA: ECDSA P-256, self-signed, ten years. */
export async function createAuthority(commonName: string, nowMs: number, random: Random): Promise<CertificatePair> {
  const keys = await generateKeyPair()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(random),
    name: subjectName({ commonName }),
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + authorityLifetimeMs),
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certPem: pemOf(certificate.toString('pem')), keyPem: await exportPrivateKey(keys.privateKey) }
}

/** Opens a CA from its PEM texts. Throws when the key is not that of the certificate. */
export async function openAuthority(pair: CertificatePair, random: Random): Promise<CertificateAuthority> {
  const certificate = new NodeCertificate(pair.certPem)
  const { key, nodeKey } = await importPrivateKey(pair.keyPem)
  if (!certificate.checkPrivateKey(nodeKey)) throw new Error('the CA key does not belong to the CA certificate')
  const issuer = new x509.X509Certificate(pair.certPem)
  const authorityKeyId = await x509.AuthorityKeyIdentifierExtension.create(issuer)

  async function sign(template: CertificateTemplate, publicKey: x509.PublicKeyType, nowMs: number): Promise<string> {
    const extensions: x509.Extension[] = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension(
        template.usages.map((usage) =>
          usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
        ),
      ),
      authorityKeyId,
    ]
    if (template.names?.length) extensions.push(new x509.SubjectAlternativeNameExtension([...template.names]))
    const signed = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(random),
      subject: subjectName(template.subject),
      issuer: issuer.subjectName,
      notBefore: new Date(nowMs - backdateMs),
      // A certificate that outlives its CA would be believed by no one in its last days.
      notAfter: new Date(Math.min(nowMs + template.lifetimeMs, issuer.notAfter.getTime())),
      publicKey,
      signingKey: key,
      signingAlgorithm,
      extensions,
    })
    return pemOf(signed.toString('pem'))
  }

  return {
    certPem: pair.certPem,
    fingerprint: fingerprintOf(pair.certPem),
    sign,
    async issue(template, nowMs) {
      const keys = await generateKeyPair()
      const certPem = await sign(template, keys.publicKey, nowMs)
      return { certPem, keyPem: await exportPrivateKey(keys.privateKey) }
    },
  }
}

/** 127 random bits: unique without a register of what was issued (CA/Browser Forum asks for 64). */
function serialNumber(random: Random): string {
  const bytes = random.bytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return Buffer.from(bytes).toString('hex')
}

function subjectName(subject: CertificateSubject): x509.JsonName {
  const organizations = subject.organizations ?? []
  return [...organizations.map((organization) => ({ O: [organization] })), { CN: [subject.commonName] }]
}
