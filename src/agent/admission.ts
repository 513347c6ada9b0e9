import { allAdmission } from '../admission/all.ts'
import { createAdmissionChain, type AdmissionChain } from '../admission/chain.ts'
import type { AdmissionPlugin } from '../admission/plugin.ts'
import { httpsTransport } from '../admission/webhook/https-transport.ts'
import type { WebhookTransport } from '../admission/webhook/review.ts'
import type { Service as ServiceObject } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { Authorization } from '../auth/authorizer.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import { convert, type RegistryOptions } from '../registry/environment.ts'
import type { SchemaHolder } from '../registry/type-system.ts'
import type { SchemaGraph } from '../schema/graph.ts'
import { mergeApplied } from '../schema/typed-merge.ts'

/** Calls webhooks; a Service is called at its ClusterIP, which this machine's own rules lead to a pod. */
export function webhookTransport(informers: Informers): WebhookTransport {
  return httpsTransport(async ({ namespace, name, port }) => {
    const service = informers.for<ServiceObject>(refs.services).get(namespace, name)
    const host = service?.spec?.type === 'ExternalName' ? service.spec.externalName : service?.spec?.clusterIP
    if (!host || host === 'None') throw errors.notFound(refs.services, name)
    return { host, port }
  })
}

/** Every admission plugin over this node's replica, in upstream's order. */
export function createAdmission(parts: {
  informers: Informers
  authorization: Authorization
  catalogue: Catalogue
  graph: SchemaGraph
  transport: WebhookTransport
  /** Converts custom objects whose CRD says so, by its webhook. */
  byWebhook: RegistryOptions['convert']
  clock: Clock
  random: Random
  others: readonly AdmissionPlugin[]
}): AdmissionChain {
  const { informers, authorization, catalogue, graph, transport, byWebhook, clock, random, others } = parts
  const schemaOf = (ref: { group: string; version: string; resource: string }) => {
    const definition = catalogue.find(ref.group, ref.version, ref.resource)
    return definition && ((definition as SchemaHolder).schema ?? graph.get(definition.schemaName))
  }
  return createAdmissionChain(
    allAdmission({
      informers,
      authorize: authorization.authorize,
      clock,
      random,
      transport,
      others,
      equivalents: (ref) =>
        catalogue
          .all()
          .filter((one) => one.group === ref.group && one.resource === ref.resource && one.version !== ref.version),
      resourceFor(apiVersion, kind) {
        const [version = '', group = ''] = apiVersion.split('/').toReversed()
        return catalogue.findKind(group, version, kind)
      },
      convertTo(object, from, to) {
        const [source, wanted] = [from, to].map((one) => catalogue.find(one.group, one.version, one.resource))
        if (!source || !wanted) throw errors.internal(`${to.resource} is no longer served in ${to.version}`)
        return convert({ convert: byWebhook }, object, source, wanted)
      },
      mergeApplied: (ref, object, configuration) => mergeApplied(object, configuration, schemaOf(ref)) as KubeObject,
    }),
  )
}
