import type { VirtualReader } from '../registry/environment.ts'
import { createAuthenticator, type Authenticate } from '../auth/authenticator.ts'
import { createAuthorization, type Authorization } from '../auth/authorizer.ts'
import { bootstrapTokens } from '../auth/bootstrap-tokens.ts'
import { boundLookupFrom } from '../auth/bound-lookup.ts'
import { createSecretTokenIssuer, type IssueSecretToken, secretTokens } from '../auth/secret-tokens.ts'
import { createServiceAccountTokens, type ServiceAccountTokens } from '../auth/service-account-tokens.ts'
import { createTokenIssuer } from '../auth/token-request.ts'
import type { Informers } from '../client/informer.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import { builtinResources } from '../kinds/builtin.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import type { ClusterSecrets } from '../pki/cluster-secrets.ts'
import { openServiceAccountKey } from '../pki/service-account-keys.ts'
import { createCatalogue, type Catalogue } from '../registry/catalogue.ts'
import { webhookConversion } from '../registry/custom/conversion-webhook.ts'
import { createCustomResources } from '../registry/custom/publisher.ts'
import { createRegistry, type Registry } from '../registry/registry.ts'
import { schemaTypeSystem } from '../registry/type-system.ts'
import { loadBuiltinSchemas, type SchemaGraph } from '../schema/graph.ts'
import type { Store } from '../store/store.ts'
import { createAdmission, webhookTransport } from './admission.ts'
import type { ClusterConfig } from './membership-file.ts'
import { reviewResources } from './review-resources.ts'
import { serviceAddresses } from './service-addresses.ts'

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
    addresses: serviceAddresses({ decisions: parts.decisions, informers, config, logger }),
    issueToken: createTokenIssuer({ tokens, informers }),
    virtualResources: reviewResources(authorization, tokens, otherTokens, clock),
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
