import {
  validatingWebhookTraits,
  mutatingWebhookTraits,
  validatingPolicyTraits,
  mutatingPolicyTraits,
  validatingBindingTraits,
  mutatingBindingTraits,
} from './admission/traits.ts'
import { daemonSetTraits } from './apps/daemon-set.ts'
import { deploymentTraits } from './apps/deployment.ts'
import { replicaSetTraits, replicationControllerTraits } from './apps/replica-set.ts'
import { statefulSetTraits } from './apps/stateful-set.ts'
import { autoscalerV2Traits, autoscalerV1Traits } from './autoscaling/horizontal-pod-autoscaler.ts'
import { cronJobTraits } from './batch/cron-job.ts'
import { jobTraits } from './batch/job.ts'
import {
  certificateRequestTraits,
  clusterTrustBundleTraits,
  podCertificateRequestTraits,
} from './cluster/certificates.ts'
import {
  priorityClassTraits,
  runtimeClassTraits,
  controllerRevisionTraits,
  podTemplateTraits,
  componentStatusTraits,
} from './cluster/classes.ts'
import { customResourceDefinitionTraits, apiServiceTraits } from './cluster/extension.ts'
import { flowSchemaTraits, priorityLevelTraits } from './cluster/flow-control.ts'
import { leaseTraits } from './coordination/lease.ts'
import { configMapTraits, secretTraits, serviceAccountTraits } from './core/configuration.ts'
import { endpointsTraits, endpointSliceTraits } from './core/endpoints.ts'
import { coreEventTraits, eventTraits } from './core/event.ts'
import { resourceQuotaTraits, limitRangeTraits } from './core/limits.ts'
import { namespaceTraits } from './core/namespace.ts'
import { nodeTraits } from './core/node.ts'
import { podTraits } from './core/pod/traits.ts'
import { serviceTraits } from './core/service/traits.ts'
import { ingressTraits, ingressClassTraits } from './networking/ingress.ts'
import { networkPolicyTraits, serviceCidrTraits, ipAddressTraits } from './networking/network-policy.ts'
import { podDisruptionBudgetTraits } from './policy/pod-disruption-budget.ts'
import { roleTraits, clusterRoleTraits, roleBindingTraits, clusterRoleBindingTraits } from './rbac/roles.ts'
import {
  resourceClaimTraits,
  resourceClaimTemplateTraits,
  deviceClassTraits,
  resourceSliceTraits,
} from './resource/traits.ts'
import {
  storageClassTraits,
  volumeAttributesClassTraits,
  volumeAttachmentTraits,
  csiDriverTraits,
  csiNodeTraits,
  csiStorageCapacityTraits,
} from './storage/classes.ts'
import { volumeTraits, volumeClaimTraits } from './storage/volume.ts'
import type { KindTraits } from './traits.ts'

/** Every kind that has something of its own to say. */
export const allTraits: readonly KindTraits[] = [
  validatingWebhookTraits,
  mutatingWebhookTraits,
  validatingPolicyTraits,
  mutatingPolicyTraits,
  validatingBindingTraits,
  mutatingBindingTraits,
  daemonSetTraits,
  deploymentTraits,
  replicaSetTraits,
  replicationControllerTraits,
  statefulSetTraits,
  autoscalerV2Traits,
  autoscalerV1Traits,
  cronJobTraits,
  jobTraits,
  certificateRequestTraits,
  clusterTrustBundleTraits,
  podCertificateRequestTraits,
  priorityClassTraits,
  runtimeClassTraits,
  controllerRevisionTraits,
  podTemplateTraits,
  componentStatusTraits,
  customResourceDefinitionTraits,
  apiServiceTraits,
  flowSchemaTraits,
  priorityLevelTraits,
  leaseTraits,
  configMapTraits,
  secretTraits,
  serviceAccountTraits,
  endpointsTraits,
  endpointSliceTraits,
  coreEventTraits,
  eventTraits,
  resourceQuotaTraits,
  limitRangeTraits,
  namespaceTraits,
  nodeTraits,
  podTraits,
  serviceTraits,
  ingressTraits,
  ingressClassTraits,
  networkPolicyTraits,
  serviceCidrTraits,
  ipAddressTraits,
  podDisruptionBudgetTraits,
  roleTraits,
  clusterRoleTraits,
  roleBindingTraits,
  clusterRoleBindingTraits,
  resourceClaimTraits,
  resourceClaimTemplateTraits,
  deviceClassTraits,
  resourceSliceTraits,
  storageClassTraits,
  volumeAttributesClassTraits,
  volumeAttachmentTraits,
  csiDriverTraits,
  csiNodeTraits,
  csiStorageCapacityTraits,
  volumeTraits,
  volumeClaimTraits,
]
