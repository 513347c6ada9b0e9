import { beforeEach, expect, test } from 'vitest'
import type { Pod } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { refs } from '../../client/client.ts'
import { aPod, builtInChain } from '../testing/built-in-chain.ts'

let built: ReturnType<typeof builtInChain>
beforeEach(() => {
  built = builtInChain()
})

const label = (labels: Record<string, string>): void =>
  built.put(refs.namespaces, {
    metadata: {
      name: 'shop',
      labels: Object.fromEntries(Object.entries(labels).map(([k, v]) => [`pod-security.kubernetes.io/${k}`, v])),
    },
  })
const good = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

test('restricted says all that is missing', async () => {
  label({ enforce: 'restricted' })
  await expect(built.admitPod()).rejects.toMatchObject({
    code: 403,
    message:
      'pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  })
  await built.admitPod({ containers: [{ name: 'c', image: 'i', securityContext: good }] })
})

test.each<[Partial<NonNullable<Pod['spec']>>, string]>([
  [{ hostNetwork: true, hostPID: true }, 'host namespaces (hostNetwork=true, hostPID=true)'],
  [{ volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes (volume "v")'],
  [
    { containers: [{ name: 'c', securityContext: { privileged: true } }] },
    'privileged (container "c" must not set securityContext.privileged=true)',
  ],
  [
    { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }] },
    'hostPort (container "c" uses hostPort 80)',
  ],
  [
    { containers: [{ name: 'c', securityContext: { capabilities: { add: ['NET_ADMIN', 'CHOWN'] } } }] },
    'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
  ],
  [{ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }, 'forbidden sysctls (kernel.msgmax)'],
])('baseline refuses %j', async (spec, text) => {
  label({ enforce: 'baseline' })
  await expect(built.admitPod(spec)).rejects.toThrow(`violates PodSecurity "baseline:latest": ${text}`)
  label({ warn: 'baseline', audit: 'baseline' })
  const { warnings, auditAnnotations } = await built.admit({ object: aPod(spec) })
  expect(warnings).toEqual([expect.stringContaining(`would violate PodSecurity "baseline:latest": ${text}`)])
  expect(auditAnnotations['pod-security.kubernetes.io/audit-violations']).toContain(text)
})

test('templates are warned of, never refused; labels must name a level', async () => {
  label({ enforce: 'baseline', warn: 'baseline' })
  const object = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {},
    spec: { template: { spec: { hostPID: true, containers: [] } } },
  }
  const ref = { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment' }
  expect((await built.admit({ ref, object: object as KubeObject })).warnings).toHaveLength(1)
  await expect(
    built.admit({
      ref: { group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace' },
      namespace: '',
      object: {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: 'x', labels: { 'pod-security.kubernetes.io/warn': 'lax' } },
      },
    }),
  ).rejects.toMatchObject({ code: 422 })
})
