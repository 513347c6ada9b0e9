import { createAggregator } from '../apiserver/aggregation/aggregator.ts'
import { aggregatedOpenApi } from '../apiserver/aggregation/aggregated-openapi.ts'
import { createApiServer } from '../apiserver/api-server.ts'
import { issuerRoutes } from '../apiserver/issuer-routes.ts'
import { schemaCodecs } from '../apiserver/schema-codecs.ts'
import { catalogueOpenApi, documentHash } from '../apiserver/schema-openapi.ts'
import type { Client } from '../client/client.ts'
import { exec } from '../lib/exec.ts'
import type { Service } from '../lib/service.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { defaultBridge } from '../network/remove.ts'
import { type CertificateAuthority, openAuthority } from '../pki/certificate-authority.ts'
import { issueFrontProxyCertificate, issueServerCertificate } from '../pki/certificates.ts'
import { openServiceAccountKey } from '../pki/service-account-keys.ts'
import type { AgentParts } from './agent-parts.ts'
import type { Api } from './api.ts'
import { openAuditLog } from './audit-log.ts'
import { makeBackup } from './backup/make-backup.ts'
import { createDoctor } from './doctor/doctor.ts'
import type { NodeServices } from './node-services.ts'
import type { LocalReplica } from './replica.ts'
import { agentRoutes } from './routes.ts'
import { createStatusReporter } from './status.ts'
import type { UnreachedNodes } from './unreached-nodes.ts'

export interface ApiServiceParts extends AgentParts {
  mesh: Mesh
  replica: LocalReplica
  api: Api
  client: Client
  node: NodeServices
  authority: CertificateAuthority
  unreached: UnreachedNodes
}

/** The API's HTTPS face with what stands beside it: aggregation, audit log, the agent's own paths; in the order of their start. */
export async function createApiServices(parts: ApiServiceParts): Promise<Service[]> {
  const { settings, identity, membership, clock, random, logger, mesh, replica, api, client, node, authority } = parts
  const { decisions, informers, store } = replica
  const { cluster: secrets } = identity
  const { config } = membership
  const { nodeName } = identity.node

  const certificate = await issueServerCertificate(
    authority,
    {
      nodeName,
      addresses: [settings.advertiseAddress],
      clusterDomain: config.clusterDomain,
      serviceIp: config.kubernetesIp,
    },
    clock.nowMs(),
  )
  const status = createStatusReporter({
    mesh,
    decisions,
    informers,
    self: nodeName,
    lagMs: replica.lagMs,
    replica: replica.report,
  })
  const examine = createDoctor({
    mesh,
    node: nodeName,
    nodeIp: settings.advertiseAddress,
    config,
    dockerSocket: settings.dockerSocket,
    bridge: defaultBridge,
    members: () => decisions.members(),
    exec,
    clock,
  })
  const auditLog = await openAuditLog(settings, clock, logger)
  const aggregator = createAggregator({
    informers,
    client,
    writesStatus: () => decisions.status().isLeader,
    identity: await issueFrontProxyCertificate(await openAuthority(secrets.frontProxyCa, random), clock.nowMs()),
    clock,
    random,
    log: logger,
  })
  const server = createApiServer({
    registry: api.registry,
    codecs: schemaCodecs(replica.graph),
    authenticate: api.authenticate,
    authorize: api.authorization.authorize,
    openapi: aggregatedOpenApi(catalogueOpenApi(api.catalogue, replica.graph), aggregator, documentHash),
    aggregator,
    nodeAccess: node.access,
    informers,
    countOf: (ref) => store.count(ref),
    warningOf: parts.unreached.warning,
    ...(auditLog ? { audit: auditLog.audit } : {}),
    extraMetrics: () => (auditLog?.metrics() ?? '') + replica.metrics(),
    extensions: [
      ...issuerRoutes({ issuer: api.tokens.issuer, keys: secrets.serviceAccountKeys.map(openServiceAccountKey) }),
      ...agentRoutes({
        decisions,
        secrets,
        config,
        authorize: api.authorization.authorize,
        status,
        examine,
        backup: () => makeBackup({ replica: store, decisions, secrets, config, clock }),
        loadImages: node.loadImages,
        clock,
        random,
      }),
    ],
    // The CA goes along in the chain: a joiner knows it only by its fingerprint.
    tls: { key: certificate.keyPem, cert: certificate.certPem + secrets.ca.certPem, ca: secrets.ca.certPem },
    host: '0.0.0.0',
    port: settings.apiPort,
    clock,
    random,
    log: logger,
  })
  return [...(auditLog ? [auditLog.service] : []), aggregator, server]
}
