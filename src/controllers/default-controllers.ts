import type { Authorize } from '../api/authorizer.ts'
import type { Node } from '../api/kinds.ts'
import type { IssueSecretToken } from '../auth/secret-tokens.ts'
import { refs } from '../client/client.ts'
import type { CertificateAuthority } from '../pki/certificate-authority.ts'
import { createAbsence } from './absence.ts'
import { controllersOf, externalCloud, meshCloud } from './cloud/clouds.ts'
import type { ConnectProvider } from './cloud/provider-config.ts'
import type { Controller } from './controller.ts'
import { cronJobController } from './reconcile/cron-job/cron-job.ts'
import { daemonSetController } from './reconcile/daemon-set/daemon-set.ts'
import { deploymentController } from './reconcile/deployment.ts'
import { endpointSliceController } from './reconcile/endpoint-slice.ts'
import { endpointsController } from './reconcile/endpoints.ts'
import { flowSchemaController } from './reconcile/flow-schema.ts'
import { garbageCollector } from './reconcile/garbage-collector.ts'
import { ingressStatusController } from './reconcile/ingress-status.ts'
import { jobController } from './reconcile/job/job.ts'
import { jobOrphanPodsController } from './reconcile/job/orphan-pods.ts'
import { namespaceDefaultsController } from './reconcile/namespace-defaults.ts'
import { namespaceHierarchyController } from './reconcile/namespace-hierarchy.ts'
import { namespaceController } from './reconcile/namespace.ts'
import { type Liveness, nodeLifecycleController } from './reconcile/node-lifecycle.ts'
import { podGarbageCollector } from './reconcile/pod-garbage-collector.ts'
import {
  horizontalPodAutoscalerController,
  type UsageSource,
} from './reconcile/autoscaling/horizontal-pod-autoscaler.ts'
import { bootstrapTokenController } from './bootstrap-tokens.ts'
import { certificateApprovalController } from './certificate-approval.ts'
import { certificateRequestController } from './certificate-requests.ts'
import { clusterRoleAggregationController } from './reconcile/cluster-role-aggregation.ts'
import { ipAddressController } from './reconcile/ip-address.ts'
import { serviceCidrController } from './reconcile/service-cidr.ts'
import { endpointSliceMirroringController } from './reconcile/endpoint-slice-mirroring.ts'
import { disruptionController } from './reconcile/pod-disruption-budget.ts'
import { replicaSetController, replicationControllerController } from './reconcile/replica-set.ts'
import { resourceQuotaController } from './reconcile/resource-quota.ts'
import { serviceRepairController } from './reconcile/service-repair.ts'
import { type IsFenced, statefulSetController } from './reconcile/stateful-set/stateful-set.ts'
import { timeMs } from './reconcile/timestamp.ts'
import { tokenSecretController } from './token-secrets.ts'
import { ttlAfterFinishedController } from './reconcile/ttl-after-finished.ts'
import { attachDetachController } from './attach-detach.ts'
import { volumeBinder } from './reconcile/volume/binder.ts'
import { ephemeralVolumeController } from './reconcile/volume/ephemeral.ts'
import { claimProtectionController, volumeProtectionController } from './reconcile/volume/protection.ts'
import { type CollectedResource, rememberedResources } from './resources.ts'

/** What the controllers need of the cluster besides its objects. */
export interface ControllerContext {
  /** The cluster's CA certificate, for `kube-root-ca.crt`. */
  caPem: string
  /** Everything that is stored. */
  resources(): readonly CollectedResource[]
  /** Calls back when resources came or went. Returns the way to stop. Without it, only those of the start are followed. */
  onResources?(handler: () => void): () => void
  isAlive: Liveness
  /** Calls back when a node's liveness changed. Returns the way to stop. */
  onLiveness?(handler: (nodeName: string) => void): () => void
  /** This machine has been in touch with the node since it started. */
  hasMet?(nodeName: string): boolean
  /**
   * How many ms ago the node's lease began, at the least. Its unique pods fail over only {@link defaultFenceMs} after.
   * Without it the node's Ready has to have been Unknown for as long, by clocks that may be wrong.
   */
  leaseAgeMs?(nodeName: string): number
  /** What pods use, for autoscaling. Without it nothing is known of any pod, and no workload is resized. */
  usage?: UsageSource
  /** Signs certificate requests. Without it they stay unsigned. */
  authority?: CertificateAuthority
  /** Signs the tokens of Secrets. Without it Secrets that ask for one stay empty. */
  issueSecretToken?: IssueSecretToken
  /** Who may have certificates without being asked. Without it every request waits for an approver. */
  authorize?: Authorize
  /** Reaches the user's own cloud provider. Without it there is none, whatever is configured. */
  connectProvider?: ConnectProvider
}

/** An owner that nobody has seen yet is waited for this long before what it owns counts as left behind. */
const absentOwnerMs = 10_000
/** A volume is not given up for a claim that may only be late. */
const absentClaimMs = 30_000
/** Upstream's quarantine of nodes that are not there. */
const absentNodeMs = 40_000
/** The lease after which a cut-off node stops its unique pods, their time to stop, and the drift of two clocks. */
export const defaultFenceMs = 60_000

/** Every control loop of the cluster, for one term of leadership: some remember what they saw in it. */
export function defaultControllers(context: ControllerContext): Controller[] {
  const resources = rememberedResources(() => context.resources(), context.onResources?.bind(context))
  return [
    deploymentController,
    replicaSetController,
    replicationControllerController,
    statefulSetController(fencedAfter(defaultFenceMs, context.leaseAgeMs?.bind(context))),
    daemonSetController,
    jobController,
    jobOrphanPodsController(createAbsence(absentOwnerMs)),
    cronJobController,
    ttlAfterFinishedController,
    horizontalPodAutoscalerController(context.usage ?? (() => undefined)),
    disruptionController,
    endpointSliceController,
    endpointSliceMirroringController,
    serviceCidrController,
    endpointsController,
    ingressStatusController,
    ...controllersOf(meshCloud),
    ...(context.connectProvider ? controllersOf(externalCloud(context.connectProvider)) : []),
    serviceRepairController,
    ipAddressController,
    nodeLifecycleController({
      isAlive: context.isAlive,
      onLiveness: context.onLiveness,
      hasMet: context.hasMet,
    }),
    namespaceController(resources),
    namespaceDefaultsController(context.caPem),
    namespaceHierarchyController,
    resourceQuotaController(resources),
    clusterRoleAggregationController,
    flowSchemaController,
    bootstrapTokenController,
    attachDetachController,
    volumeBinder(createAbsence(absentClaimMs)),
    ephemeralVolumeController,
    claimProtectionController,
    volumeProtectionController,
    ...(context.authority ? [certificateRequestController(context.authority)] : []),
    ...(context.authorize ? [certificateApprovalController(context.authorize)] : []),
    ...(context.issueSecretToken
      ? [
          tokenSecretController({
            caPem: context.caPem,
            issue: context.issueSecretToken,
            absence: createAbsence(absentOwnerMs),
          }),
        ]
      : []),
    podGarbageCollector(createAbsence(absentNodeMs)),
    garbageCollector(resources, createAbsence(absentOwnerMs)),
  ]
}

/** True when the node is not reached, and its lease and the time that its pods have to end are surely over. */
function fencedAfter(durationMs: number, leaseAgeMs: ((nodeName: string) => number) | undefined): IsFenced {
  if (!leaseAgeMs) return unreachableFor(durationMs)
  const isUnreachable = unreachableFor(-Infinity)
  return (nodeName, view, nowMs) => leaseAgeMs(nodeName) >= durationMs && isUnreachable(nodeName, view, nowMs)
}

/** True when the node's Ready condition has been Unknown for so long. */
export const unreachableFor =
  (durationMs: number): IsFenced =>
  (nodeName, view, nowMs) => {
    const node = view.get<Node>(refs.nodes, '', nodeName)
    const ready = node?.status?.conditions?.find((one) => one.type === 'Ready')
    if (ready?.status !== 'Unknown') return false
    const sinceMs = timeMs(ready.lastTransitionTime)
    return sinceMs !== undefined && nowMs - sinceMs >= durationMs
  }
