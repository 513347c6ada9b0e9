import type { VirtualReader } from '../registry/environment.ts'
import type { Service as ServiceObject, ServiceCIDR } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import { createAuthenticator, type Authenticate } from '../auth/authenticator.ts'
import { createAuthorization, type Authorization } from '../auth/authorizer.ts'
import { bootstrapTokens } from '../auth/bootstrap-tokens.ts'
import { boundLookupFrom } from '../auth/bound-lookup.ts'
import { createSecretTokenIssuer, type IssueSecretToken, secretTokens } from '../auth/secret-tokens.ts'
import { createServiceAccountTokens, type ServiceAccountTokens } from '../auth/service-account-tokens.ts'
import { createTokenIssuer } from '../auth/token-request.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import { builtinResources } from '../kinds/builtin.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import type { ClusterSecrets } from '../pki/cluster-secrets.ts'
import { openServiceAccountKey } from '../pki/service-account-keys.ts'
import { createCatalogue, type Catalogue } from '../registry/catalogue.ts'
import { sameOffset } from '../lib/ip-address.ts'
import type { ServiceAddresses } from '../registry/ports.ts'
import { webhookConversion } from '../registry/custom/conversion-webhook.ts'
import { createCustomResources } from '../registry/custom/publisher.ts'
import { createRegistry, type Registry } from '../registry/registry.ts'
import { schemaTypeSystem } from '../registry/type-system.ts'
import { loadBuiltinSchemas, type SchemaGraph } from '../schema/graph.ts'
import type { Store } from '../store/store.ts'
import { createAdmission, webhookTransport } from './admission.ts'
import type { ClusterConfig } from './membership-file.ts'
import { reviewResources } from './review-resources.ts'

export interface ApiParts {
  /** Holds the built-in kinds, and is given the custom ones. Default: a new one. */
  catalogue?: Catalogue
  store: Store
  informers: Informers
  decisions: DecisionLog
  secrets: ClusterSecrets
  config: ClusterConfig
  nodeName: string
  clock: Clock
  random: Random
  logger: Logger
}

/** The API of one node without its HTTP face. */
export interface Api {
  registry: Registry
  catalogue: Catalogue
  graph: SchemaGraph
  authenticate: Authenticate
  authorization: Authorization
  tokens: ServiceAccountTokens
  issueSecretToken: IssueSecretToken
  /** By `resource.group`: what answers reads of resources that are not stored. */
  virtualReaders: Map<string, VirtualReader>
  /** Serves custom resources as their definitions come and go. */
  customResources: Service
}

/** Builds the pipeline over the store: catalogue, authentication, authorization, admission, addresses. */
export function createApi(parts: ApiParts): Api {
  const { store, informers, secrets, config, clock, random, logger } = parts
  const graph = loadBuiltinSchemas()
  const catalogue = parts.catalogue ?? createCatalogue(builtinResources(graph))
  const issuer = `https://kubernetes.default.svc.${config.clusterDomain}`
  const keys = secrets.serviceAccountKeys.map(openServiceAccountKey)
  const tokens = createServiceAccountTokens({
    keys,
    issuer,
    apiAudiences: [issuer],
    lookup: boundLookupFrom(informers),
    clock,
    random,
  })
  const otherTokens = [bootstrapTokens(informers, clock), secretTokens(keys, informers, clock)]
  const authorization = createAuthorization(informers)
  const transport = webhookTransport(informers)
  const byWebhook = webhookConversion({ transport, random })
  const virtualReaders = new Map<string, VirtualReader>()
  const registry = createRegistry({
    store,
    catalogue,
    types: schemaTypeSystem(graph),
    admission: createAdmission({
      informers,
      authorization,
      catalogue,
      graph,
      transport,
      byWebhook,
      clock,
      random,
      others: [authorization.escalationCheck],
    }),
    convert: byWebhook,
    authorize: authorization.authorize,
    addresses: serviceAddresses(parts),
    issueToken: createTokenIssuer({ tokens, informers }),
    virtualResources: reviewResources(authorization, tokens, otherTokens),
    virtualReaders,
    clock,
    random,
    log: logger,
  })
  const authenticate = createAuthenticator({ caPem: secrets.ca.certPem, tokens, otherTokens, clock })
  const customResources = createCustomResources({ store, catalogue, graph, log: logger })
  return {
    registry,
    catalogue,
    graph,
    authenticate,
    authorization,
    tokens,
    issueSecretToken: createSecretTokenIssuer(keys),
    virtualReaders,
    customResources,
  }
}

/** Services' addresses from the decision log. */
function serviceAddresses({ decisions, informers, config, nodeName, logger }: ApiParts): ServiceAddresses {
  // Taken by the cluster itself when it was made; the Services that bear them are made by its leader.
  const own = new Set([config.kubernetesIp, config.dnsIp])
  const { ipv6, serviceCidr } = config
  const readyRanges = (): string[] =>
    informers
      .for<ServiceCIDR>(refs.serviceCidrs)
      .list()
      .filter(({ status }) => status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
      .flatMap(({ spec }) => spec?.cidrs ?? [])
  return {
    ...(ipv6 ? { secondFamily: secondFamily(serviceCidr, ipv6.serviceCidr) } : {}),
    takeClusterIp: () => decisions.takeClusterIp(),
    takeNodePort: () => decisions.takeNodePort(),
    returnClusterIp: (ip) => decisions.returnClusterIp(ip),
    returnNodePort: (port) => decisions.returnNodePort(port),
    async claim({ clusterIp, nodePort, owner }) {
      if (clusterIp && own.has(clusterIp)) {
        const isTaken = informers
          .for<ServiceObject>(refs.services)
          .list()
          .some((service) => service.spec?.clusterIP === clusterIp)
        if (isTaken) throw errors.alreadyExists(refs.services, clusterIp)
        return
      }
      const given = clusterIp ?? nodePort
      if (given !== undefined && decisions.takeGiven(given)) return
      const range = clusterIp && readyRanges().find((one) => isInRange(clusterIp, one))
      await decisions.command({ type: 'claim', node: nodeName, clusterIp, range, nodePort, owner })
    },
    async release({ clusterIps, nodePorts }) {
      // The object is gone already; without a leader now, the next one takes back what nobody uses.
      await decisions
        .command(
          { type: 'release', clusterIps: clusterIps.filter((ip) => !own.has(ip)), nodePorts },
          { timeoutMs: 500 },
        )
        .catch((error: unknown) => logger.debug({ error: String(error) }, 'addresses not released yet'))
    },
  }
}

const isInRange = (ip: string, range: string): boolean => sameOffset(ip, range, range) !== undefined

/** Cluster IPs of both families go together by their place in their ranges. */
export const secondFamily = (ipv4: string, ipv6: string): NonNullable<ServiceAddresses['secondFamily']> => ({
  toIpv6: (ip) => sameOffset(ip, ipv4, ipv6),
  toIpv4: (ip) => sameOffset(ip, ipv6, ipv4),
})
