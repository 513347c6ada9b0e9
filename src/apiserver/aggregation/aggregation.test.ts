import { createServer } from 'node:https'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Client } from '../../client/client.ts'
import { builtinResources } from '../../kinds/builtin.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemClock, systemRandom } from '../../lib/system.ts'
import { createAuthority, openAuthority } from '../../pki/certificate-authority.ts'
import { issueFrontProxyCertificate } from '../../pki/certificates.ts'
import { inProcessClient } from '../../registry/in-process-client.ts'
import { storeInformers } from '../../registry/store-informers.ts'
import { loadBuiltinSchemas } from '../../schema/graph.ts'
import { startFixture, type Fixture } from '../testing/fixture.ts'
import { httpFor } from '../testing/http.ts'
import { aggregatedOpenApi } from './aggregated-openapi.ts'
import { createAggregator, type Aggregator } from './aggregator.ts'
import { catalogueOpenApi, documentHash } from '../schema-openapi.ts'

const administrator = { username: 'admin', groups: ['system:masters'] }
const path = '/apis/wardle.example.com/v1alpha1'
const apiServices = '/apis/apiregistration.k8s.io/v1/apiservices'
const seen: { path: string; headers: IncomingMessage['headers']; body: string; peer: string }[] = []

let fixture: Fixture
let http: ReturnType<typeof httpFor>
let aggregator: Aggregator
let extension: Server
let caPem: string

const documents: Record<string, object> = {
  [path]: {
    kind: 'APIResourceList',
    groupVersion: 'wardle.example.com/v1alpha1',
    resources: [
      {
        name: 'flunders',
        singularName: 'flunder',
        namespaced: true,
        kind: 'Flunder',
        verbs: ['create', 'get', 'list'],
      },
      { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
    ],
  },
  '/openapi/v2': {
    swagger: '2.0',
    paths: {
      [`${path}/flunders`]: {
        get: {
          produces: ['application/json'],
          parameters: [{ name: 'limit', in: 'query', type: 'integer' }],
          responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/example.Flunder' } } },
        },
      },
      '/healthz': {},
    },
    definitions: {
      'example.Flunder': { type: 'object', properties: { spec: { $ref: '#/definitions/example.Spec' } } },
      'example.Spec': { type: 'object' },
    },
  },
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const peer = (request.socket as TLSSocket).getPeerCertificate().subject?.CN
  const at = request.url ?? ''
  seen.push({ path: at, headers: request.headers, body: Buffer.concat(chunks).toString(), peer: String(peer) })
  const document =
    documents[at] ?? (at.startsWith(`${path}/namespaces`) ? { kind: 'FlunderList', items: [] } : undefined)
  response.writeHead(document ? (request.method === 'POST' ? 201 : 200) : 404, { 'content-type': 'application/json' })
  response.end(JSON.stringify(document ?? { kind: 'Status', code: 404 }))
}

beforeAll(async () => {
  const ca = await createAuthority('extension-ca', systemClock.nowMs(), systemRandom)
  const frontProxy = await createAuthority('front-proxy-ca', systemClock.nowMs(), systemRandom)
  caPem = ca.certPem
  const serving = await (
    await openAuthority(ca, systemRandom)
  ).issue(
    {
      subject: { commonName: 'sample-api' },
      names: [{ type: 'dns', value: 'sample-api.default.svc' }],
      usages: ['server'],
      lifetimeMs: 3_600_000,
    },
    systemClock.nowMs(),
  )
  extension = createServer(
    { key: serving.keyPem, cert: serving.certPem, ca: frontProxy.certPem, requestCert: true, rejectUnauthorized: true },
    (request, response) => void answer(request, response),
  )
  await new Promise<void>((resolve) => extension.listen(0, '127.0.0.1', resolve))
  const identity = await issueFrontProxyCertificate(await openAuthority(frontProxy, systemRandom), systemClock.nowMs())
  const late: { client?: Client } = {}
  fixture = await startFixture({
    definitions: builtinResources(loadBuiltinSchemas()),
    async compose({ store, catalogue, graph }) {
      aggregator = createAggregator({
        informers: storeInformers(store),
        client: {
          mutate: (...parameters: Parameters<Client['mutate']>) => late.client!.mutate(...parameters),
        } as Client,
        writesStatus: () => true,
        identity,
        clock: systemClock,
        random: systemRandom,
        log: silentLogger,
      })
      const openapi = aggregatedOpenApi(catalogueOpenApi(catalogue, graph), aggregator, documentHash)
      return { registry: {}, authenticate: async () => administrator as never, server: { aggregator, openapi } }
    },
  })
  late.client = inProcessClient(fixture.registry, administrator)
  await aggregator.start()
  http = httpFor(fixture)
})
afterAll(async () => {
  await aggregator.stop()
  await fixture.stop()
  extension.close()
})

const apiService = (service: object) => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: 'v1alpha1.wardle.example.com', labels: { e2e: 'yes' } },
  spec: {
    group: 'wardle.example.com',
    version: 'v1alpha1',
    service,
    caBundle: Buffer.from(caPem).toString('base64'),
    groupPriorityMinimum: 2000,
    versionPriority: 200,
  },
})
const condition = async () => {
  const { body } = { body: (await http('GET', `${apiServices}/v1alpha1.wardle.example.com`)).json() }
  return body.status?.conditions?.find(({ type }: { type: string }) => type === 'Available')
}

describe('an extension API', () => {
  test('says why it is not there yet, then is found by its endpoints', async () => {
    const { port } = extension.address() as AddressInfo
    await http('POST', apiServices, { body: apiService({ namespace: 'default', name: 'sample-api', port: 443 }) })
    await vi.waitFor(async () =>
      expect(await condition()).toMatchObject({ status: 'False', reason: 'ServiceNotFound' }),
    )
    expect((await http('GET', `${path}/namespaces/default/flunders`)).code).toBe(503)
    const ports = [{ name: 'https', port: 443, targetPort: port }]
    await http('POST', '/api/v1/namespaces/default/services', {
      body: { metadata: { name: 'sample-api' }, spec: { ports, selector: { app: 'x' } } },
    })
    await vi.waitFor(async () => expect(await condition()).toMatchObject({ reason: 'EndpointsNotFound' }))
    await http('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      body: {
        metadata: { name: 'sample-api-1', labels: { 'kubernetes.io/service-name': 'sample-api' } },
        addressType: 'IPv4',
        // An EndpointSlice cannot name loopback: the server itself is reached by an ExternalName below.
        endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }],
        ports: [{ name: 'https', port, protocol: 'TCP' }],
      },
    })
    await vi.waitFor(async () => expect(await condition()).toMatchObject({ reason: 'MissingEndpoints' }))
    await http('PATCH', '/api/v1/namespaces/default/services/sample-api', {
      body: { spec: { type: 'ExternalName', externalName: 'localhost', selector: null } },
      headers: { 'content-type': 'application/merge-patch+json' },
    })
    await http('PATCH', `${apiServices}/v1alpha1.wardle.example.com`, {
      body: { spec: { service: { port } } },
      headers: { 'content-type': 'application/merge-patch+json' },
    })
    await vi.waitFor(async () => expect(await condition()).toMatchObject({ status: 'True', reason: 'Passed' }), {
      timeout: 10_000,
    })
  })

  test('others may write conditions of their own beside ours', async () => {
    const stored = (await http('GET', `${apiServices}/v1alpha1.wardle.example.com/status`)).json()
    stored.status.conditions.push({ type: 'StatusUpdated', status: 'True', reason: 'E2E', message: 'set' })
    const updated = await http('PUT', `${apiServices}/v1alpha1.wardle.example.com/status`, { body: stored })
    expect(updated.code).toBe(200)
    expect(updated.json().status.conditions.map(({ type }: { type: string }) => type)).toEqual([
      'Available',
      'StatusUpdated',
    ])
  })

  test('is asked on behalf of the caller, by our certificate', async () => {
    const made = await http('POST', `${path}/namespaces/default/flunders?dryRun=All`, {
      body: { kind: 'Flunder' },
      headers: { 'x-remote-user': 'somebody else', 'x-remote-extra-scopes': 'all' },
    })
    expect(made.code).toBe(201)
    const { headers, body, peer } = seen.at(-1)!
    expect({ body, peer, user: headers['x-remote-user'], group: headers['x-remote-group'] }).toEqual({
      body: '{"kind":"Flunder"}',
      peer: 'front-proxy-client',
      user: 'admin',
      group: 'system:masters, system:authenticated',
    })
    expect(headers.authorization).toBeUndefined()
    expect(headers['x-remote-extra-scopes']).toBeUndefined()
  })

  test('stands in discovery and in OpenAPI', async () => {
    const groups = (await http('GET', '/apis')).json().groups
    expect(groups.find(({ name }: { name: string }) => name === 'wardle.example.com')).toMatchObject({
      preferredVersion: { version: 'v1alpha1' },
    })
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    const aggregated = (await http('GET', '/apis', { headers: { accept } })).json().items
    const found = aggregated.find(
      ({ metadata }: { metadata: { name: string } }) => metadata.name === 'wardle.example.com',
    )
    expect(found.versions).toMatchObject([
      {
        version: 'v1alpha1',
        freshness: 'Current',
        resources: [{ resource: 'flunders', scope: 'Namespaced', subresources: [{ subresource: 'status' }] }],
      },
    ])
    const index = (await http('GET', '/openapi/v3')).json()
    const { serverRelativeURL } = index.paths['apis/wardle.example.com/v1alpha1']
    const v3 = (await http('GET', serverRelativeURL)).json()
    expect(v3.components.schemas['example.Flunder'].properties.spec.$ref).toBe('#/components/schemas/example.Spec')
    expect(v3.paths[`${path}/flunders`].get).toMatchObject({
      parameters: [{ name: 'limit', in: 'query', schema: { type: 'integer' } }],
      responses: {
        200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/example.Flunder' } } } },
      },
    })
    const v2 = (await http('GET', '/openapi/v2')).json()
    expect(v2.definitions['example.Flunder']).toBeDefined()
    expect(v2.paths['/healthz']).toBeUndefined()
  })

  test('goes with its APIService', async () => {
    await http('DELETE', `${apiServices}?labelSelector=e2e%3Dyes`)
    await vi.waitFor(async () => expect((await http('GET', path)).code).toBe(404))
  })
})

test('what we serve ourselves is available from the first moment', async () => {
  const body = {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1.apps' },
    spec: { group: 'apps', version: 'v1', groupPriorityMinimum: 17_800, versionPriority: 15 },
  }
  expect((await http('POST', apiServices, { body })).json().status.conditions).toMatchObject([
    { type: 'Available', status: 'True', reason: 'Local' },
  ])
})
