import type { Authorize } from '../api/authorizer.ts'
import type { IssueSecretToken } from '../auth/secret-tokens.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { httpsProviders } from '../controllers/cloud/external-provider.ts'
import { defaultControllers } from '../controllers/default-controllers.ts'
import type { Liveness } from '../controllers/reconcile/node-lifecycle.ts'
import type { CollectedResource } from '../controllers/resources.ts'
import { runControllers } from '../controllers/runner.ts'
import type { Member } from '../decision/cluster-state.ts'
import type { UsageSource } from '../controllers/reconcile/autoscaling/horizontal-pod-autoscaler.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { CertificateAuthority } from '../pki/certificate-authority.ts'
import { runScheduler, type MeasuredPressure } from '../scheduler/scheduler.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import { ensureBootstrapObjects } from './bootstrap-objects.ts'
import { keepClusterInfo } from './cluster-info.ts'
import { keepKubernetesEndpoints } from './kubernetes-endpoints.ts'
import { keepLocalApiServices } from './local-api-services.ts'
import type { ClusterConfig } from './membership-file.ts'

export interface LeaderContext {
  client: Client
  informers: Informers
  events: (component: string) => EventRecorder
  clock: Clock
  random: Random
  logger: Logger
  config: ClusterConfig
  caPem: string
  frontProxyCaPem: string
  /** Without it no APIServices are kept of what we serve ourselves. */
  catalogue?: Catalogue
  authority: CertificateAuthority
  authorize?: Authorize
  issueSecretToken?: IssueSecretToken
  /** Resources that can own or be owned. */
  resources(): readonly CollectedResource[]
  /** Calls back when resources came or went (CRDs); returns the way to stop. */
  onResources(handler: () => void): () => void
  isAlive: Liveness
  /** This machine has been in touch with the node since it started: a new leader need not wait before it judges. */
  hasMet?(nodeName: string): boolean
  /** How many ms ago the node's lease began, at the least. */
  leaseAgeMs(nodeName: string): number
  /** Calls back with the name of a node whose liveness changed; returns the way to stop. */
  onLiveness(handler: (nodeName: string) => void): () => void
  /** What pods use, while this node leads. */
  usage?(signal: AbortSignal): UsageSource
  /** What they strain of their nodes, while this node leads. */
  pressures?(signal: AbortSignal): MeasuredPressure
  members(): readonly Member[]
  /** Called when a member's liveness or the membership changed; returns the way to stop. */
  onMembership(handler: () => void): () => void
}

const retryMs = 500

/** Everything that only the leader of the decision log does, for as long as it leads. */
export async function lead(context: LeaderContext, term: number, signal: AbortSignal): Promise<void> {
  const { client, informers, clock, logger } = context
  logger.info({ term }, 'leading')
  await untilDone(context, signal, () => ensureBootstrapObjects(client, context, signal))
  const controllers = defaultControllers({
    ...context,
    usage: context.usage?.(signal),
    connectProvider: httpsProviders(context),
  })
  await Promise.all([
    runControllers(controllers, { client, informers, clock, events: context.events, logger }, signal),
    runScheduler(
      {
        client,
        informers,
        clock,
        random: context.random,
        events: context.events('default-scheduler'),
        logger,
        pressures: context.pressures?.(signal),
      },
      signal,
    ),
    keepKubernetesEndpoints(context, signal),
    keepClusterInfo(context, signal),
    context.catalogue && keepLocalApiServices({ ...context, catalogue: context.catalogue }, signal),
  ])
  logger.info({ term }, 'no longer leading')
}

/** Tries until it worked or the term is over: at its start a leader may not yet be able to write. */
async function untilDone(context: LeaderContext, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted) return
      context.logger.warn(
        { error: error instanceof Error ? error.message : String(error) },
        'cluster objects not ensured yet',
      )
      await new Promise<void>((resolve) => context.clock.after(retryMs, resolve))
    }
  }
}
