import { expect, test } from 'vitest'
import { createAdmissionChain } from '../admission/chain.ts'
import type { KubeObject } from '../api/object.ts'
import { testRegistry } from './testing/environment.ts'

test('admission sees the version of the request, whatever is stored', async () => {
  const seen: string[] = []
  const note = (where: string, version: string, object: KubeObject | undefined, old: KubeObject | undefined) =>
    void seen.push([where, version, object?.apiVersion, old?.apiVersion ?? '-'].join(' '))
  const env = testRegistry({
    admission: createAdmissionChain([
      {
        name: 'Witness',
        mutates: ({ ref, object, oldObject }) => note('mutates', ref.version, object, oldObject),
        validates: ({ ref, object, oldObject }) => note('validates', ref.version, object, oldObject),
      },
    ]),
  })
  const definition = env.catalogue.find('autoscaling', 'v1', 'horizontalpodautoscalers')!
  expect(definition.storageVersion).toBe('v2')
  const target = { definition, namespace: 'default', name: '', subresource: '' }
  const value = {
    metadata: { name: 'h' },
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } },
  }
  await env.registry.create(env.context, target, { value, strictErrors: [] }, {})
  const patch = { type: 'merge' as const, body: { spec: { maxReplicas: 4 } } }
  const changed = await env.registry.patch(env.context, { ...target, name: 'h' }, patch, {})
  expect(changed.object).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { maxReplicas: 4 } })
  await env.registry.delete(env.context, { ...target, name: 'h' }, {})
  expect(seen).toEqual([
    'mutates v1 autoscaling/v1 -',
    'validates v1 autoscaling/v1 -',
    'mutates v1 autoscaling/v1 autoscaling/v1',
    'validates v1 autoscaling/v1 autoscaling/v1',
    'mutates v1  autoscaling/v1',
    'validates v1  autoscaling/v1',
  ])
})

test('what kubectl compares with goes along when kubectl goes on by server-side apply', async () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
  const env = testRegistry()
  const before = { data: { a: '1' }, metadata: { name: 'c', annotations: { [annotation]: '{"data":{"a":"1"}}\n' } } }
  await env.create('configmaps', before, { fieldManager: 'kubectl-client-side-apply' })
  const apply = async (manager: string, data: object) => {
    const value = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data }
    const options = { fieldManager: manager, force: true }
    const { object } = await env.registry.apply(
      env.context,
      env.target('configmaps', 'c'),
      { value, strictErrors: [] },
      options,
    )
    return JSON.parse(object.metadata.annotations?.[annotation] ?? '{}') as { data: object }
  }
  expect((await apply('kubectl', { a: '2' })).data).toEqual({ a: '2' })
  expect((await apply('somebody', { b: '3' })).data).toEqual({ a: '2' })
})
