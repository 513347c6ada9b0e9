import fc from 'fast-check'
import { expect } from 'vitest'
import type { CertificateSigningRequest, ConfigMap, Secret, ServiceAccount } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { index, isOn, type Scenario, steps } from '../scenario.ts'

const requests = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }
const accountAnnotation = 'kubernetes.io/service-account.name'
const tokenType = 'kubernetes.io/service-account-token'
const inBase64 = (data: Record<string, string>) =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, btoa(value)]))

/**
 * Requests of kubelets are approved and signed, or fail; tokens are there for accounts that are, and end with their time.
 * `requestPem` is one that a kubelet would send.
 */
export const credentialScenario = (requestPem: string): Scenario => ({
  controllers: ['certificate-approval', 'certificate-signing', 'serviceaccount-token', 'bootstrap-tokens'],
  hasThreads: true,
  async prepare({ cluster }) {
    await cluster.create(refs.configMaps, {
      metadata: { name: 'cluster-info', namespace: 'kube-public' },
      data: { kubeconfig: 'first' },
    })
  },
  step: fc.oneof(
    steps(fc.record({ number: index, isGood: isOn }), 'request', async ({ cluster }, { number, isGood }) => {
      const body = isGood
        ? requestPem
        : '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n'
      await cluster.create(requests, {
        metadata: { name: `request-${number}` },
        spec: {
          request: btoa(body),
          signerName: isGood ? 'kubernetes.io/kube-apiserver-client-kubelet' : 'kubernetes.io/kube-apiserver-client',
          usages: isGood ? ['digital signature', 'client auth'] : ['client auth'],
        },
      })
      if (isGood) return
      const approved = [{ type: 'Approved', status: 'True', reason: 'Test' }]
      await cluster.change<CertificateSigningRequest>(
        requests,
        `request-${number}`,
        (one) => void (one.status = { conditions: approved }),
        'approval',
      )
    }),
    steps(index, 'delete request', ({ cluster }, number) => cluster.client.delete(requests, '', `request-${number}`)),
    steps(index, 'account', ({ cluster }, number) =>
      cluster.create(refs.serviceAccounts, { metadata: { name: `account-${number}` } }),
    ),
    steps(index, 'delete account', ({ cluster }, number) =>
      cluster.client.delete(refs.serviceAccounts, 'default', `account-${number}`),
    ),
    steps(index, 'token', ({ cluster }, number) =>
      cluster.create(refs.secrets, {
        metadata: { name: `token-${number}`, annotations: { [accountAnnotation]: `account-${number}` } },
        type: tokenType,
      }),
    ),
    steps(fc.record({ number: index, isLasting: isOn }), 'bootstrap token', ({ cluster }, { number, isLasting }) => {
      const id = `aaaaa${number}`
      const expiration = new Date(cluster.clock.nowMs() + 20_000).toISOString()
      return cluster.create(refs.secrets, {
        metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
        type: 'bootstrap.kubernetes.io/token',
        data: inBase64({
          'token-id': id,
          'token-secret': '0123456789abcdef',
          'usage-bootstrap-signing': 'true',
          ...(isLasting ? {} : { expiration }),
        }),
      })
    }),
    steps(fc.constantFrom('second', 'third'), 'cluster-info', ({ cluster }, kubeconfig) =>
      cluster.client.mutate<ConfigMap>(refs.configMaps, 'kube-public', 'cluster-info', (one) => ({
        ...one,
        data: { ...one.data, kubeconfig },
      })),
    ),
  ),
  expectOrder({ cluster }) {
    for (const { spec, status } of cluster.list<CertificateSigningRequest>(requests)) {
      const isGood = spec.usages!.length === 2
      expect(status?.conditions?.map(({ type }) => type)).toEqual(isGood ? ['Approved'] : ['Approved', 'Failed'])
      expect(status?.certificate !== undefined).toBe(isGood)
    }
    for (const secret of cluster.list<Secret>(refs.secrets)) {
      if (secret.type === tokenType) {
        const account = cluster.get<ServiceAccount>(
          refs.serviceAccounts,
          secret.metadata.annotations![accountAnnotation]!,
        )
        expect(secret.metadata.annotations!['kubernetes.io/service-account.uid']).toBe(account?.metadata.uid)
        expect(atob(secret.data!['token']!)).toBe(`token-of-${secret.metadata.name}`)
      } else expect(secret.data!['expiration']).toBeUndefined()
    }
    const signers = cluster
      .list<Secret>(refs.secrets, 'kube-system')
      .map(({ data }) => `jws-kubeconfig-${atob(data!['token-id']!)}`)
    const info = Object.keys(cluster.get<ConfigMap>(refs.configMaps, 'cluster-info', 'kube-public')!.data!)
    expect(info.toSorted()).toEqual(['kubeconfig', ...signers].toSorted())
  },
})
