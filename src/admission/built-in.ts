import type { Authorize } from '../api/authorizer.ts'
import type {
  IngressClass,
  LimitRange,
  Namespace,
  Pod,
  PriorityClass,
  RuntimeClass,
  ServiceAccount,
  StorageClass,
} from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Random } from '../lib/clock.ts'
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts'
import { defaultIngressClass } from './default-ingress-class.ts'
import { defaultTolerationSeconds, type TolerationDefaults } from './default-toleration-seconds.ts'
import { deviceAdminAccess } from './device-admin-access.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceHierarchy } from './namespace-hierarchy.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import type { AdmissionPlugin } from './plugin.ts'
import { podSecurity } from './pod-security/pod-security.ts'
import { priorityAdmission } from './priority.ts'
import { runtimeClassAdmission } from './runtime-class.ts'
import { serviceAccountAdmission } from './service-account.ts'
import { defaultStorageClass, persistentVolumeClaimResize, storageObjectInUseProtection } from './storage.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'

export interface BuiltInAdmissionOptions {
  informers: Informers
  authorize: Authorize
  clock: Clock
  random: Random
  tolerations?: TolerationDefaults
}

/** The plugins of the process itself, in upstream's order. Policies, webhooks and quota come after them. */
export function builtInAdmission(options: BuiltInAdmissionOptions): AdmissionPlugin[] {
  const { informers, clock, random, authorize } = options
  const namespaces = informers.for<Namespace>(refs.namespaces)
  const storageClasses = informers.for<StorageClass>(refs.storageClasses)
  return [
    namespaceLifecycle(namespaces, clock),
    namespaceHierarchy(namespaces),
    limitRanger(informers.for<LimitRange>(refs.limitRanges)),
    serviceAccountAdmission({
      serviceAccounts: informers.for<ServiceAccount>(refs.serviceAccounts),
      clock,
      random,
    }),
    nodeRestriction(informers.for<Pod>(refs.pods)),
    taintNodesByCondition,
    podSecurity(namespaces),
    priorityAdmission(informers.for<PriorityClass>(refs.priorityClasses)),
    defaultTolerationSeconds(options.tolerations),
    certificateApproval(authorize),
    certificateSigning(authorize),
    certificateSubjectRestriction,
    defaultIngressClass(informers.for<IngressClass>(refs.ingressClasses)),
    storageObjectInUseProtection,
    defaultStorageClass(storageClasses),
    persistentVolumeClaimResize(storageClasses),
    runtimeClassAdmission(informers.for<RuntimeClass>(refs.runtimeClasses)),
    deviceAdminAccess(namespaces),
  ]
}
