import type { APIService } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { isStatus } from '../api/status-error.ts'
import type { Client } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import { keepInStep } from '../lib/keep-in-step.ts'
import type { Logger } from '../lib/log.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import { groupPriority } from '../registry/version-order.ts'

const ref = { group: 'apiregistration.k8s.io', resource: 'apiservices' }
const managedLabel = 'kube-aggregator.kubernetes.io/automanaged'
const settleMs = 500
/** Upstream gives the versions of a CRD's group 100, and built-in ones less, the newest most. */
const topVersionPriority = 100

export interface LocalApiServicesContext {
  client: Client
  informers: Informers
  catalogue: Catalogue
  clock: Clock
  logger: Logger
}

/**
 * Every group and version that we serve ourselves has an APIService that says so (kube-apiserver's autoregistration).
 * One that somebody has put in its place stays.
 */
export function keepLocalApiServices(context: LocalApiServicesContext, signal: AbortSignal): Promise<void> {
  const { catalogue, clock, logger } = context
  return keepInStep(
    {
      clock,
      settleMs,
      retryMs: settleMs,
      sync: () => register(context, signal),
      onChange: (changed) => catalogue.onChange(changed),
      onError: (error) => logger.warn({ error: String(error) }, 'local APIServices not written yet'),
    },
    signal,
  )
}

async function register({ client, informers, catalogue }: LocalApiServicesContext, signal: AbortSignal): Promise<void> {
  const stored = informers.for<APIService & KubeObject>(ref)
  const wanted = new Map(localApiServices(catalogue).map((one) => [one.metadata.name, one]))
  for (const [name = '', object] of wanted) {
    if (stored.get('', name)) continue
    await client.create(ref, object, { signal }).catch((error: unknown) => {
      if (!isStatus(error, 'AlreadyExists')) throw error
    })
  }
  for (const { metadata, spec } of stored.list()) {
    if (spec?.service || !metadata.labels?.[managedLabel] || wanted.has(metadata.name)) continue
    await client.delete(ref, '', metadata.name ?? '', { signal }).catch((error: unknown) => {
      if (!isStatus(error, 'NotFound')) throw error
    })
  }
}

function localApiServices(catalogue: Catalogue): (APIService & KubeObject)[] {
  return catalogue.groups().flatMap(({ group, versions }) =>
    versions.map((version, at) => ({
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `${version}.${group}`, labels: { [managedLabel]: 'onstart' } },
      spec: {
        ...(group ? { group } : {}),
        version,
        groupPriorityMinimum: groupPriority(group),
        versionPriority: Math.max(1, topVersionPriority - at),
      },
    })),
  )
}
