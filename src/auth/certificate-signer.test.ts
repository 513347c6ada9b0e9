import { webcrypto } from 'node:crypto'
import { expect, test } from 'vitest'
import { createFakeInformers } from '../../test/support/fake-informers.ts'
import type { CertificateSigningRequest } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import type { Client } from '../client/client.ts'
import { silentLogger } from '../lib/log.ts'
import { systemClock, systemRandom } from '../lib/system.ts'
import { createAuthority, openAuthority } from '../pki/certificate-authority.ts'
import * as x509 from '../pki/x509.ts'
import { signApprovedRequests } from './certificate-signer.ts'

type Request = CertificateSigningRequest & KubeObject

const ref = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const approved = { type: 'Approved', status: 'True', reason: 'Test', message: '' }

async function requestOf(name: string, spec: object, conditions: object[]): Promise<Request> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const pem = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: ['jane'] }],
    keys: keys as x509.Pkcs10CertificateRequestCreateParams['keys'],
    signingAlgorithm: algorithm,
  })
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(pem.toString('pem')).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      ...spec,
    },
    status: { conditions },
  } as Request
}

/** A signer over requests that a test puts; `mutate` writes back what it is given. */
async function setUp() {
  const informers = createFakeInformers()
  const stop = new AbortController()
  const written = new Map<string, Request>()
  const client = {
    async mutate(_ref: object, _namespace: string, name: string, change: (current: Request) => Request | undefined) {
      const next = change(informers.for<Request>(ref).get('', name) as Request)
      if (next) written.set(name, next)
      return next
    },
  } as unknown as Client
  const authority = await openAuthority(
    await createAuthority('test-ca', systemClock.nowMs(), systemRandom),
    systemRandom,
  )
  const running = signApprovedRequests(
    { client, informers, authority, clock: systemClock, logger: silentLogger },
    stop.signal,
  )
  return {
    put: (request: Request) => informers.put(ref, request),
    written,
    async stop() {
      stop.abort()
      await running
    },
  }
}

test('an approved request is signed for as long as it asks', async () => {
  const { put, written, stop } = await setUp()
  put(await requestOf('good', { expirationSeconds: 3600 }, [approved]))
  await expect.poll(() => written.get('good')?.status?.certificate).toBeTruthy()
  const pem = Buffer.from(written.get('good')?.status?.certificate ?? '', 'base64').toString()
  const certificate = new x509.X509Certificate(pem)
  expect(certificate.subjectName.getField('CN')).toEqual(['jane'])
  expect(certificate.notAfter.getTime() - systemClock.nowMs()).toBeLessThanOrEqual(3600_000)
  await stop()
})

test('what the signer does not sign is marked as failed', async () => {
  const { put, written, stop } = await setUp()
  put(await requestOf('bad', { usages: ['server auth'] }, [approved]))
  await expect
    .poll(() => written.get('bad')?.status?.conditions?.at(-1))
    .toMatchObject({
      type: 'Failed',
      reason: 'SignerValidationFailure',
    })
  await stop()
})

test('requests that are open, denied or for others are left alone', async () => {
  const { put, written, stop } = await setUp()
  put(await requestOf('open', {}, []))
  put(await requestOf('denied', {}, [approved, { ...approved, type: 'Denied' }]))
  put(await requestOf('foreign', { signerName: 'example.com/mine' }, [approved]))
  put(await requestOf('last', {}, [approved]))
  await expect.poll(() => written.has('last')).toBe(true)
  expect([...written.keys()]).toEqual(['last'])
  await stop()
})
