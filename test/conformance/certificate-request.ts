import { webcrypto } from 'node:crypto'
import * as x509 from '../../src/pki/x509.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** A PKCS#10 request for a fresh key, PEM. */
export async function certificateRequestPem(subject: { commonName: string; organization: string }): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [subject.commonName] }, { O: [subject.organization] }],
    keys: keys as x509.Pkcs10CertificateRequestCreateParams['keys'],
    signingAlgorithm: algorithm,
  })
  return request.toString('pem')
}
