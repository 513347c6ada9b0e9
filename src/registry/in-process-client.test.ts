import { expect, test } from 'vitest'
import type { Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { inProcessClient } from './in-process-client.ts'
import { testRegistry } from './testing/environment.ts'

test('a field that is undefined is absent, as over HTTPS', async () => {
  const { registry } = testRegistry()
  const client = inProcessClient(registry, { username: 'admin' })
  const made = await client.create<Pod>(refs.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', labels: undefined, annotations: { a: 'b' } },
    spec: {
      nodeName: undefined,
      containers: [{ name: 'c', image: 'nginx', resources: { limits: undefined }, env: undefined }],
      volumes: undefined,
    },
  })
  expect(Object.keys(made.metadata)).not.toContain('labels')
  expect(Object.keys(made.spec!)).not.toContain('nodeName')
  const changed = await client.mutate<Pod>(
    refs.pods,
    'default',
    'p',
    (pod) => ({ ...pod, status: { ...pod.status, phase: 'Running', message: undefined, hostIP: undefined } }),
    { subresource: 'status' },
  )
  expect(changed.status).toMatchObject({ phase: 'Running' })
  expect(Object.keys(changed.status!)).not.toContain('message')
  const updated = await client.update<Pod>(refs.pods, {
    ...changed,
    metadata: { ...changed.metadata, annotations: undefined },
  })
  expect(updated.metadata.annotations ?? {}).toEqual({})
})
