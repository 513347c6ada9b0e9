import { expect, test } from 'vitest'
import type { CertificateSigningRequest } from '../api/kinds.ts'
import { listedInformers } from '../client/listed-informers.ts'
import { generateKeyPair, signingAlgorithm } from '../pki/keys.ts'
import { signerNames } from '../pki/signing-request.ts'
import * as x509 from '../pki/x509.ts'
import { certificateApprovalController } from './certificate-approval.ts'
import { indexedView } from './indexed-view.ts'

const ref = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }

test('a request that somebody decided about since it was looked at is left as it is', async () => {
  const pem = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: ['system:node:n1'] }],
    keys: await generateKeyPair(),
    signingAlgorithm,
  })
  const request: CertificateSigningRequest = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'n1', uid: 'u1' },
    spec: {
      signerName: signerNames.kubeletClient,
      request: btoa(pem.toString('pem')),
      usages: ['digital signature', 'client auth'],
      username: 'system:node:n1',
    },
  }
  const controller = certificateApprovalController(() => ({ verdict: 'allow', reason: '' }))
  const [judged] = controller.plan('/n1', indexedView(listedInformers([[ref, [request]]])), 0).actions
  if (judged?.do !== 'compute') throw new Error('the request is judged')
  const [written] = await judged.compute(new AbortController().signal)
  if (written?.do !== 'mutate') throw new Error('the request is approved')
  expect(written.change(request)).toMatchObject({ status: { conditions: [{ type: 'Approved' }] } })
  const denied = { ...request, status: { conditions: [{ type: 'Denied', status: 'True' }] } }
  expect(written.change(denied)).toBeUndefined()
})
