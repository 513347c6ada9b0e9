import { createAdmissionChain } from '../../admission/chain.ts'
import type { Authorize } from '../../api/authorizer.ts'
import type { Authenticate } from '../../auth/authenticator.ts'
import type { Service } from '../../lib/service.ts'
import { silentLogger, type Logger } from '../../lib/log.ts'
import { systemClock, systemRandom } from '../../lib/system.ts'
import type { ResourceDefinition } from '../../kinds/definition.ts'
import { createAuthority, openAuthority } from '../../pki/certificate-authority.ts'
import { issueServerCertificate } from '../../pki/certificates.ts'
import { createCatalogue, type Catalogue } from '../../registry/catalogue.ts'
import type { RegistryOptions } from '../../registry/environment.ts'
import { createCustomResourceCleanup } from '../../registry/custom/cleanup.ts'
import { createCustomResources } from '../../registry/custom/publisher.ts'
import { inProcessClient } from '../../registry/in-process-client.ts'
import { createRegistry, type Registry } from '../../registry/registry.ts'
import { memoryStore } from '../../registry/testing/memory-store.ts'
import { schemaTypeSystem } from '../../registry/type-system.ts'
import { loadBuiltinSchemas, type SchemaGraph } from '../../schema/graph.ts'
import type { Store } from '../../store/store.ts'
import { createApiServer, type ApiServer, type ApiServerOptions, type TlsMaterial } from '../api-server.ts'
import { schemaCodecs } from '../schema-codecs.ts'
import { catalogueOpenApi } from '../schema-openapi.ts'

/** One API server on loopback over a store in memory, whose every caller with the token is an administrator. */
export interface Fixture {
  server: ApiServer
  registry: Registry
  catalogue: Catalogue
  store: Store
  tls: TlsMaterial
  url: string
  token: string
  stop(): Promise<void>
}

export interface FixtureOptions {
  definitions: readonly ResourceDefinition[]
  registry?: Partial<RegistryOptions>
  server?: Partial<ApiServerOptions>
  /** Takes the place of the defaults, over the fixture's own store: access control, admission, reviews. */
  compose?(parts: FixtureParts): Promise<FixtureSetup>
  port?: number
  log?: Logger
}

/** What the fixture made before its registry. */
export interface FixtureParts {
  store: Store
  catalogue: Catalogue
  graph: SchemaGraph
  tls: TlsMaterial
}

/** What `compose` gives back. `authenticate` is asked for those who do not bear the fixture's token. */
export interface FixtureSetup {
  registry: Partial<RegistryOptions>
  authenticate: Authenticate
  extensions?: ApiServerOptions['extensions']
  server?: Partial<ApiServerOptions>
  /** Objects that must be there before the first request. */
  seed?(registry: Registry): Promise<void>
}

const token = 'fixture-token'
const administrator = { username: 'admin', groups: ['system:masters', 'system:authenticated'], extra: {} }

async function stopAll(services: readonly Service[]): Promise<void> {
  for (const service of services) await service.stop()
}

export async function startFixture(options: FixtureOptions): Promise<Fixture> {
  const store = memoryStore()
  const graph = loadBuiltinSchemas()
  const catalogue = createCatalogue(options.definitions)
  const log = options.log ?? silentLogger
  const tls = await loopbackTls()
  const setup = await options.compose?.({ store, catalogue, graph, tls })
  const registry = createRegistry({
    store,
    catalogue,
    types: schemaTypeSystem(graph),
    admission: createAdmissionChain([]),
    authorize: allowMasters,
    clock: systemClock,
    random: systemRandom,
    log,
    ...setup?.registry,
    ...options.registry,
  })
  const server = createApiServer({
    registry,
    codecs: schemaCodecs(graph),
    authenticate: byToken(setup?.authenticate),
    authorize: registry.authorize,
    ...(setup?.extensions ? { extensions: setup.extensions } : {}),
    openapi: catalogueOpenApi(catalogue, graph),
    tls,
    host: '127.0.0.1',
    port: options.port ?? 0,
    clock: systemClock,
    random: systemRandom,
    log,
    ...setup?.server,
    ...options.server,
  })
  const services = [
    createCustomResources({ store, catalogue, graph, log }),
    createCustomResourceCleanup({ store, client: inProcessClient(registry, administrator), clock: systemClock, log }),
    server,
  ]
  await setup?.seed?.(registry)
  for (const service of services) await service.start()
  const url = `https://127.0.0.1:${server.port()}`
  return { server, registry, catalogue, store, tls, url, token, stop: () => stopAll(services.toReversed()) }
}

const allowMasters: Authorize = ({ user }) =>
  user.groups?.includes('system:masters') ? { verdict: 'allow', reason: '' } : { verdict: 'no-opinion', reason: '' }

const nobody: Authenticate = async () => ({
  username: 'system:anonymous',
  groups: ['system:unauthenticated'],
  extra: {},
})

const byToken =
  (others: Authenticate = nobody): Authenticate =>
  async (credentials) =>
    credentials.headers.authorization === `Bearer ${token}` ? administrator : others(credentials)

/** A certificate for loopback, from an authority of the fixture's own. */
async function loopbackTls(): Promise<TlsMaterial> {
  const pair = await createAuthority('fixture-ca', systemClock.nowMs(), systemRandom)
  const authority = await openAuthority(pair, systemRandom)
  const names = { nodeName: 'fixture', addresses: ['127.0.0.1'] }
  const { keyPem, certPem } = await issueServerCertificate(authority, names, systemClock.nowMs())
  return { key: keyPem, cert: certPem, ca: pair.certPem }
}
