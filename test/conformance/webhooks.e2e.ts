import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock, systemRandom } from '../../src/lib/system.ts'
import { createAuthority, openAuthority } from '../../src/pki/certificate-authority.ts'
import { issueServerCertificate } from '../../src/pki/certificates.ts'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'

// oxlint-disable-next-line no-explicit-any -- reviews hold objects of every kind
type Loose = any

/** Webhooks on this machine, which only our own server can reach. */
describe.skipIf(process.env['STORMO_KUBECONFIG'] !== undefined)('[sig-api-machinery] webhooks', () => {
  let cluster: Cluster
  let api: Api
  let hook: Server
  let clientConfig: (path: string) => { url: string; caBundle: string }
  const namespace = 'webhooks'
  const configMaps = `/api/v1/namespaces/${namespace}/configmaps`
  const configurations = '/apis/admissionregistration.k8s.io/v1'
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }]

  beforeAll(async () => {
    const pair = await createAuthority('webhook-ca', systemClock.nowMs(), systemRandom)
    const authority = await openAuthority(pair, systemRandom)
    const names = { nodeName: 'webhook', addresses: ['127.0.0.1'] }
    const { keyPem, certPem } = await issueServerCertificate(authority, names, systemClock.nowMs())
    hook = createServer({ key: keyPem, cert: certPem }, (request, response) => {
      void Array.fromAsync(request as AsyncIterable<Buffer>).then((chunks) => {
        const review = JSON.parse(Buffer.concat(chunks).toString()) as Loose
        const answer = answers[new URL(request.url ?? '', 'https://hook').pathname]?.(review.request)
        // A path without an answer never gets one.
        if (answer)
          response.end(
            JSON.stringify({ ...review, request: undefined, response: { uid: review.request.uid, ...answer } }),
          )
      })
    })
    await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve))
    const { port } = hook.address() as AddressInfo
    const caBundle = Buffer.from(pair.certPem).toString('base64')
    clientConfig = (path) => ({ url: `https://127.0.0.1:${port}${path}`, caBundle })
    cluster = await openCluster()
    api = await apiOf(cluster.kubeconfig)
    await api.ok('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  })
  afterAll(async () => {
    api.close()
    await cluster.stop()
    hook.closeAllConnections()
    hook.close()
  })

  const answers: Readonly<Record<string, (request: Loose) => object>> = {
    '/deny': ({ object }) => ({
      allowed: object.data?.forbidden === undefined,
      status: { code: 403, message: 'the hook says no' },
      warnings: ['the hook looked'],
    }),
    '/no-shells': ({ operation, object, subResource }) => ({
      allowed: false,
      status: { message: `${operation} ${subResource} ${object.kind} ${object.command}` },
    }),
    '/label': () => ({
      allowed: true,
      patchType: 'JSONPatch',
      patch: Buffer.from('[{"op":"add","path":"/data","value":{"hooked":"yes"}}]').toString('base64'),
    }),
    '/convert': ({ objects, desiredAPIVersion }) => ({
      result: { status: 'Success' },
      convertedObjects: objects.map((one: Loose) => ({
        ...one,
        apiVersion: desiredAPIVersion,
        spec: desiredAPIVersion.endsWith('/v2')
          ? { host: one.spec.hostPort.split(':')[0], port: one.spec.hostPort.split(':')[1] }
          : { hostPort: `${one.spec.host}:${one.spec.port}` },
      })),
    }),
  }

  const webhook = (path: string, extra: object = {}) => ({
    name: 'hook.example.com',
    clientConfig: clientConfig(path),
    rules,
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...extra,
  })
  async function withWebhook(kind: 'validating' | 'mutating', of: object, run: () => Promise<void>): Promise<void> {
    const path = `${configurations}/${kind}webhookconfigurations`
    await api.ok('POST', path, { metadata: { name: 'hook' }, webhooks: [of] })
    await run().finally(() => api.ok('DELETE', `${path}/hook`))
  }

  test('a validating one refuses, and warns', () =>
    withWebhook('validating', webhook('/deny'), async () => {
      const refused = await api('POST', configMaps, { body: { metadata: { name: 'no' }, data: { forbidden: 'x' } } })
      expect(refused.body).toMatchObject({ code: 403, message: expect.stringContaining('the hook says no') })
      expect(refused.body.message).toContain('admission webhook "hook.example.com" denied the request')
      const allowed = await api('POST', configMaps, { body: { metadata: { name: 'yes' } } })
      expect(allowed.code).toBe(201)
      expect(String(allowed.headers.warning)).toContain('the hook looked')
    }))

  test('a mutating one changes what is stored', () =>
    withWebhook('mutating', webhook('/label'), async () => {
      const made = await api.ok('POST', configMaps, { metadata: { name: 'mutated' } })
      expect(made.data).toEqual({ hooked: 'yes' })
    }))

  test('connections are asked for too', () => {
    const connecting = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CONNECT'], resources: ['pods/exec'] }]
    return withWebhook('validating', webhook('/no-shells', { rules: connecting }), async () => {
      const refused = await api('POST', `/api/v1/namespaces/${namespace}/pods/any/exec?command=sh&stdout=true`)
      expect(refused.code).toBe(403)
      expect(refused.body.message).toContain('CONNECT exec PodExecOptions sh')
    })
  })

  test('match conditions keep requests from it', () => {
    const matchConditions = [{ name: 'only-marked', expression: "object.metadata.name == 'marked'" }]
    return withWebhook('validating', webhook('/deny', { matchConditions }), async () => {
      const data = { forbidden: 'x' }
      expect((await api('POST', configMaps, { body: { metadata: { name: 'unmarked' }, data } })).code).toBe(201)
      expect((await api('POST', configMaps, { body: { metadata: { name: 'marked' }, data } })).code).toBe(403)
    })
  })

  test('a timeout counts as the failure policy says', async () => {
    const slow = (failurePolicy: string) => webhook('/never', { timeoutSeconds: 1, failurePolicy })
    await withWebhook('validating', slow('Fail'), async () => {
      const failed = await api('POST', configMaps, { body: { metadata: { name: 'slow' } } })
      expect(failed.code).toBe(500)
      expect(failed.body.message).toContain('failed calling webhook')
    })
    await withWebhook('validating', slow('Ignore'), async () => {
      expect((await api('POST', configMaps, { body: { metadata: { name: 'slow' } } })).code).toBe(201)
    })
  })

  test('conversion of custom resources between versions', async () => {
    const group = 'convert.example.com'
    const text = { type: 'string' }
    const version = (name: string, fields: string[]) => ({
      name,
      served: true,
      storage: name === 'v1',
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: {
            spec: { type: 'object', properties: Object.fromEntries(fields.map((field) => [field, text])) },
          },
        },
      },
      selectableFields: fields.map((field) => ({ jsonPath: `.spec.${field}` })),
    })
    await api.ok('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      metadata: { name: `routes.${group}` },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural: 'routes', kind: 'Route' },
        versions: [version('v1', ['hostPort']), version('v2', ['host', 'port'])],
        conversion: {
          strategy: 'Webhook',
          webhook: { clientConfig: clientConfig('/convert'), conversionReviewVersions: ['v1'] },
        },
      },
    })
    const path = (version: string) => `/apis/${group}/${version}/namespaces/${namespace}/routes`
    await api.ok('POST', path('v1'), { metadata: { name: 'one' }, spec: { hostPort: 'example.com:443' } })
    expect((await api.ok('GET', `${path('v2')}/one`)).spec).toEqual({ host: 'example.com', port: '443' })
    await api.ok('POST', path('v2'), { metadata: { name: 'two' }, spec: { host: 'example.org', port: '80' } })
    expect((await api.ok('GET', `${path('v1')}/two`)).spec).toEqual({ hostPort: 'example.org:80' })
    const { items } = await api.ok('GET', path('v2'))
    expect(items.map(({ spec }: Loose) => spec.host)).toEqual(['example.com', 'example.org'])

    // Each version is selected by fields of its own, in lists, watches and deletions alike.
    const names = async (query: string) =>
      (await api.ok('GET', query)).items.map(({ metadata }: Loose) => metadata.name as string)
    expect(await names(`${path('v2')}?fieldSelector=spec.host=example.com,spec.port=443`)).toEqual(['one'])
    expect(await names(`${path('v1')}?fieldSelector=spec.hostPort=example.org:80`)).toEqual(['two'])
    expect((await api('GET', `${path('v2')}?fieldSelector=spec.hostPort=a`)).code).toBe(400)
    const watching = api.watch(
      `${path('v2')}?watch=1&fieldSelector=spec.host=example.com`,
      (_event, seen) => seen.length === 5,
    )
    await api.ok('POST', path('v2'), { metadata: { name: 'three' }, spec: { host: 'example.com', port: '1' } })
    await api.ok('POST', path('v2'), { metadata: { name: 'four' }, spec: { host: 'example.net', port: '1' } })
    await api.ok('PATCH', `${path('v2')}/one`, { spec: { host: 'example.net' } }, patchTypes.merge)
    await api.ok('PATCH', `${path('v2')}/four`, { spec: { host: 'example.com' } }, patchTypes.merge)
    await api.ok('DELETE', `${path('v2')}?fieldSelector=spec.host=example.com,spec.port=1`)
    const told = (await watching).map(({ type, object }) => `${type} ${object.metadata.name} ${object.spec.host}`)
    expect(told.slice(0, 4)).toEqual([
      'ADDED one example.com',
      'ADDED three example.com',
      'DELETED one example.com',
      'ADDED four example.com',
    ])
    expect(told[4]).toMatch(/^DELETED (three|four) example.com$/)
    expect(await names(path('v1'))).toEqual(['one', 'two'])
  })
})
