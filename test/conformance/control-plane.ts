import { httpsTransport } from '../../src/admission/webhook/https-transport.ts'
import { createAdmission } from '../../src/agent/admission.ts'
import { reviewResources } from '../../src/agent/review-resources.ts'
import type { Service } from '../../src/api/kinds.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { FixtureParts, FixtureSetup } from '../../src/apiserver/testing/fixture.ts'
import { createAuthenticator } from '../../src/auth/authenticator.ts'
import { createAuthorization } from '../../src/auth/authorizer.ts'
import { boundLookupFrom } from '../../src/auth/bound-lookup.ts'
import { bootstrapClusterRoleBindings, bootstrapClusterRoles } from '../../src/auth/policy/bootstrap-policy.ts'
import { createServiceAccountTokens } from '../../src/auth/service-account-tokens.ts'
import { createTokenIssuer } from '../../src/auth/token-request.ts'
import { loopbackUser } from '../../src/auth/user.ts'
import { must } from '../../src/lib/assert.ts'
import { systemClock as clock, systemRandom as random } from '../../src/lib/system.ts'
import { createServiceAccountKey, openServiceAccountKey } from '../../src/pki/service-account-keys.ts'
import type { Registry } from '../../src/registry/registry.ts'
import type { holdings } from '../../src/registry/service-allocation.ts'
import { storeInformers } from '../../src/registry/store-informers.ts'
import { webhookConversion } from '../../src/registry/custom/conversion-webhook.ts'
import { issuerRoutes } from '../../src/apiserver/issuer-routes.ts'

const issuer = 'https://kubernetes.default.svc.cluster.local'

/** Services of tests listen on this machine, named by their externalName. */
function transportOver(informers: ReturnType<typeof storeInformers>) {
  return httpsTransport(async ({ namespace, name, port }) => {
    const service = informers.for<Service>({ group: '', resource: 'services' }).get(namespace, name)
    return { host: must(service?.spec?.externalName, `no such service ${name}`), port }
  })
}

/** RBAC, admission, tokens and reviews as an agent has them, without a mesh, a scheduler or a kubelet. */
export async function controlPlane({ store, catalogue, graph, tls }: FixtureParts): Promise<FixtureSetup> {
  const informers = storeInformers(store)
  const keys = [openServiceAccountKey(await createServiceAccountKey())]
  const tokens = createServiceAccountTokens({
    keys,
    issuer,
    apiAudiences: [issuer],
    lookup: boundLookupFrom(informers),
    clock,
    random,
  })
  const authorization = createAuthorization(informers)
  const transport = transportOver(informers)
  const byWebhook = webhookConversion({ transport, random })
  return {
    extensions: issuerRoutes({ issuer, keys }),
    registry: {
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
      authorize: authorization.authorize,
      addresses: addressBook(),
      issueToken: createTokenIssuer({ tokens, informers }),
      virtualResources: reviewResources(authorization, tokens, [], clock),
      convert: byWebhook,
    },
    authenticate: createAuthenticator({ caPem: tls.ca, tokens, clock }),
    seed,
  }
}

/** What every cluster has from its first moment. */
async function seed(registry: Registry): Promise<void> {
  const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } }
  const objects: KubeObject[] = [
    ...['default', 'kube-system', 'kube-public', 'kube-node-lease'].map(namespace),
    account,
    ...bootstrapClusterRoles,
    ...bootstrapClusterRoleBindings,
  ]
  for (const object of objects) {
    const [version = '', group = ''] = object.apiVersion.split('/').toReversed()
    const definition = must(registry.catalogue.findKind(group, version, object.kind), `${object.kind} is served`)
    await registry.create(
      { user: loopbackUser, warn: () => undefined },
      { definition, namespace: object.metadata.namespace ?? '', name: '', subresource: '' },
      { value: structuredClone(object), strictErrors: [] },
      {},
    )
  }
}

/** Addresses as the decision log gives them, for one server alone. */
function addressBook() {
  let nextIp = 10
  let nextPort = 30_000
  const taken = new Set<string>()
  return {
    takeClusterIp: () => `10.96.${nextIp >> 8}.${nextIp++ & 255}`,
    takeNodePort: () => nextPort++,
    replenish: async () => undefined,
    returnClusterIp: () => undefined,
    returnNodePort: () => undefined,
    async claim({ clusterIp, nodePort }: { clusterIp?: string; nodePort?: number }) {
      taken.add(String(clusterIp ?? nodePort))
    },
    async release({ clusterIps, nodePorts }: ReturnType<typeof holdings>) {
      for (const held of [...clusterIps, ...nodePorts]) taken.delete(String(held))
    },
  }
}
