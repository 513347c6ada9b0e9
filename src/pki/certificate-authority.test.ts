import { X509Certificate, webcrypto } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { systemRandom } from '../lib/system.ts'
import {
  createAuthority,
  openAuthority,
  type CertificateAuthority,
  type CertificatePair,
} from './certificate-authority.ts'
import { issueClientCertificate, issueNodeCertificate, issueServerCertificate } from './certificates.ts'
import { fingerprintOf, matchesFingerprint } from './fingerprint.ts'
import { signRequest, signerNames, parseSigningRequest, signerRefusal } from './signing-request.ts'
import * as x509 from './x509.ts'

const nowMs = Date.now()
let pair: CertificatePair
let authority: CertificateAuthority

beforeAll(async () => {
  pair = await createAuthority('demo-ca', nowMs, systemRandom)
  authority = await openAuthority(pair, systemRandom)
})

async function requestPem(name: string, names: x509.JsonGeneralNames = []): Promise<string> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: names.length ? [new x509.SubjectAlternativeNameExtension(names)] : [],
  })
  return request.toString('pem')
}

describe('cluster CA', () => {
  test('is a P-256 CA of ten years', () => {
    const ca = new X509Certificate(pair.certPem)
    expect(ca.ca).toBe(true)
    expect(ca.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
    expect(Date.parse(ca.validTo) - nowMs).toBeGreaterThan(3649 * 86_400_000)
  })

  test('refuses a key of another CA', async () => {
    const other = await createAuthority('other', nowMs, systemRandom)
    await expect(openAuthority({ certPem: pair.certPem, keyPem: other.keyPem }, systemRandom)).rejects.toThrow(
      'does not belong',
    )
  })

  test('fingerprint pins the key, not the certificate', async () => {
    const other = await createAuthority('demo-ca', nowMs, systemRandom)
    expect(authority.fingerprint).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(matchesFingerprint(pair.certPem, fingerprintOf(pair.certPem))).toBe(true)
    expect(matchesFingerprint(other.certPem, authority.fingerprint)).toBe(false)
  })
})

test('a server certificate names the service, the node and its addresses, and never outlives the CA', async () => {
  const server = await issueServerCertificate(
    authority,
    { nodeName: 'n1', addresses: ['192.0.2.7', 'api.example'] },
    nowMs,
  )
  const cert = new X509Certificate(server.certPem)
  for (const host of ['kubernetes', 'kubernetes.default.svc.cluster.local', 'n1', 'localhost', 'api.example']) {
    expect(cert.checkHost(host), host).toBe(host)
  }
  for (const ip of ['10.96.0.1', '127.0.0.1', '192.0.2.7']) expect(cert.checkIP(ip), ip).toBe(ip)
  const late = await issueServerCertificate(authority, { nodeName: 'n1', addresses: [] }, nowMs + 3649.5 * 86_400_000)
  expect(Date.parse(new X509Certificate(late.certPem).validTo)).toBeLessThanOrEqual(
    Date.parse(new X509Certificate(pair.certPem).validTo),
  )
})

test('both sides of a TLS connection believe the certificates', async () => {
  const server = await issueServerCertificate(authority, { nodeName: 'n1', addresses: [] }, nowMs)
  const client = await issueClientCertificate(authority, { user: 'jane', groups: ['dev', 'ops'] }, nowMs)
  const listener = createServer({ key: server.keyPem, cert: server.certPem, ca: pair.certPem, requestCert: true })
  const seen = new Promise<unknown>((resolve) =>
    listener.on('secureConnection', (socket) => {
      resolve([socket.authorized, socket.getPeerCertificate().subject])
      socket.end()
    }),
  )
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const socket = connect({ port, host: '127.0.0.1', ca: pair.certPem, cert: client.certPem, key: client.keyPem })
  await once(socket, 'secureConnect')
  expect(await seen).toEqual([true, expect.objectContaining({ CN: 'jane', O: ['dev', 'ops'] })])
  socket.destroy()
  listener.close()
})

test('a node certificate is system:node:<name> in system:nodes', async () => {
  const node = await issueNodeCertificate(authority, 'n1', nowMs)
  expect(new X509Certificate(node.certPem).subject).toBe('O=system:nodes\nCN=system:node:n1')
})

describe('signing requests', () => {
  test('apiserver-client: signs what was asked, for as long as was asked', async () => {
    const pem = await signRequest(
      authority,
      {
        signerName: signerNames.apiserverClient,
        requestPem: await requestPem('CN=jane, O=dev'),
        usages: ['client auth'],
        lifetimeMs: 3_600_000,
      },
      nowMs,
    )
    const cert = new X509Certificate(pem)
    expect(cert.checkIssued(new X509Certificate(pair.certPem))).toBe(true)
    expect(cert.subject.split('\n').toSorted()).toEqual(['CN=jane', 'O=dev'])
    expect(cert.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(Date.parse(cert.validTo)).toBe(Math.floor((nowMs + 3_600_000) / 1000) * 1000)
  })

  test.each([
    [signerNames.kubeletServing, 'CN=jane', ['server auth'], 'organization is not system:nodes'],
    [
      signerNames.kubeletServing,
      'CN=system:node:n1, O=system:nodes',
      ['server auth'],
      'DNS or IP subjectAltName is required',
    ],
    [
      signerNames.kubeletClient,
      'CN=system:node:n1, O=system:nodes',
      ['server auth'],
      'usages did not include client auth',
    ],
    [signerNames.apiserverClient, 'CN=jane', ['client auth', 'server auth'], 'usage server auth is not permitted'],
    ['example.com/mine', 'CN=jane', ['client auth'], "not one of this cluster's"],
  ])('%s refuses %s for %j', async (signer, subject, usages, why) => {
    const request = await parseSigningRequest(await requestPem(subject))
    expect(signerRefusal(signer, request, usages)).toContain(why)
  })

  test('kubelet-serving carries the asked names over', async () => {
    const pem = await signRequest(
      authority,
      {
        signerName: signerNames.kubeletServing,
        requestPem: await requestPem('CN=system:node:n1, O=system:nodes', [
          { type: 'dns', value: 'n1' },
          { type: 'ip', value: '192.0.2.1' },
        ]),
        usages: ['server auth', 'digital signature'],
        lifetimeMs: 1_000_000,
      },
      nowMs,
    )
    expect(new X509Certificate(pem).subjectAltName).toBe('DNS:n1, IP Address:192.0.2.1')
  })

  test('says when the text is not a request', async () => {
    await expect(parseSigningRequest(pair.certPem)).rejects.toThrow('PEM block type must be CERTIFICATE REQUEST')
  })
})
