import type { ClusterRole } from '../../api/kinds.ts'
import { clusterRole, read, rule } from './rule.ts'

const events = [rule('create patch update', 'core', 'events'), rule('create patch update', 'events.k8s.io', 'events')]
const reviews = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
]

/** Roles of the programs that run a cluster, and of those that are commonly added to one. */
export const componentRoles: readonly ClusterRole[] = [
  clusterRole('system:node', [
    ...reviews,
    rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
    rule(read, 'core', 'services'),
    rule(`create ${read}`, 'core', 'nodes'),
    rule('patch update', 'core', 'nodes nodes/status'),
    ...events,
    rule(read, 'core', 'pods'),
    rule('create delete', 'core', 'pods'),
    rule('patch update', 'core', 'pods/status'),
    rule('create', 'core', 'pods/eviction'),
    rule(read, 'core', 'configmaps secrets'),
    rule('get', 'core', 'persistentvolumeclaims persistentvolumes'),
    rule('create', 'core', 'serviceaccounts/token'),
    rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
    rule('create delete get patch update', 'coordination.k8s.io', 'leases'),
    rule('create delete get patch update', 'storage.k8s.io', 'csinodes'),
    rule('get', 'storage.k8s.io', 'volumeattachments'),
    rule(read, 'storage.k8s.io', 'csidrivers'),
    rule(read, 'node.k8s.io', 'runtimeclasses'),
  ]),
  clusterRole('system:node-problem-detector', [
    rule('get', 'core', 'nodes'),
    rule('patch', 'core', 'nodes/status'),
    ...events,
  ]),
  clusterRole('system:node-proxier', [
    rule('list watch', 'core', 'endpoints services'),
    rule(read, 'core', 'nodes'),
    ...events,
    rule('list watch', 'discovery.k8s.io', 'endpointslices'),
  ]),
  clusterRole('system:node-bootstrapper', [
    rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  ]),
  clusterRole('system:kubelet-api-admin', [
    rule('get list watch proxy', 'core', 'nodes'),
    rule('*', 'core', 'nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats'),
  ]),
  clusterRole('system:kubelet-serving-signer-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', ['kubernetes.io/kubelet-serving']),
  ]),
  clusterRole('system:certificates.k8s.io:kube-apiserver-client-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', ['kubernetes.io/kube-apiserver-client']),
  ]),
  clusterRole('system:certificates.k8s.io:kube-apiserver-client-kubelet-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', ['kubernetes.io/kube-apiserver-client-kubelet']),
  ]),
  clusterRole('system:certificates.k8s.io:kubelet-serving-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', ['kubernetes.io/kubelet-serving']),
  ]),
  clusterRole('system:certificates.k8s.io:legacy-unknown-approver', [
    rule('approve', 'certificates.k8s.io', 'signers', ['kubernetes.io/legacy-unknown']),
  ]),
  clusterRole('system:certificates.k8s.io:certificatesigningrequests:nodeclient', [
    rule('create', 'certificates.k8s.io', 'certificatesigningrequests/nodeclient'),
  ]),
  clusterRole('system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', [
    rule('create', 'certificates.k8s.io', 'certificatesigningrequests/selfnodeclient'),
  ]),
  clusterRole('system:auth-delegator', reviews),
  clusterRole('system:persistent-volume-provisioner', [
    rule('create delete get list watch', 'core', 'persistentvolumes'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule(read, 'storage.k8s.io', 'storageclasses'),
    rule('watch', 'core', 'events'),
    ...events,
  ]),
  clusterRole('system:kube-dns', [rule('list watch', 'core', 'endpoints services')]),
  clusterRole('system:volume-scheduler', [
    rule('get list patch update watch', 'core', 'persistentvolumes'),
    rule(read, 'storage.k8s.io', 'storageclasses'),
    rule('get list patch update watch', 'core', 'persistentvolumeclaims'),
  ]),
  clusterRole('system:heapster', [
    rule(read, 'core', 'events namespaces nodes pods'),
    rule(read, 'apps', 'deployments'),
  ]),
  clusterRole('system:kube-aggregator', [rule(read, 'core', 'endpoints services')]),
  clusterRole('system:kube-controller-manager', [
    ...events,
    rule('create', 'coordination.k8s.io', 'leases'),
    rule('get update', 'coordination.k8s.io', 'leases', ['kube-controller-manager']),
    rule('create', 'core', 'secrets serviceaccounts'),
    rule('delete', 'core', 'secrets'),
    rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
    rule('update', 'core', 'secrets serviceaccounts'),
    ...reviews,
    rule('list watch', '*', '*'),
    rule('create', 'core', 'serviceaccounts/token'),
  ]),
  clusterRole('system:kube-scheduler', [
    ...events,
    rule('create', 'coordination.k8s.io', 'leases'),
    rule('get list update watch', 'coordination.k8s.io', 'leases', ['kube-scheduler']),
    rule(read, 'core', 'nodes'),
    rule('delete get list watch', 'core', 'pods'),
    rule('create', 'core', 'bindings pods/binding'),
    rule('patch update', 'core', 'pods/status'),
    rule(read, 'core', 'namespaces replicationcontrollers services'),
    rule(read, 'apps', 'replicasets statefulsets'),
    rule(read, 'policy', 'poddisruptionbudgets'),
    rule(read, 'core', 'persistentvolumeclaims persistentvolumes'),
    ...reviews,
    rule(read, 'storage.k8s.io', 'csidrivers csinodes csistoragecapacities storageclasses volumeattachments'),
    rule('get list watch patch update', 'resource.k8s.io', 'resourceclaims resourceclaims/status'),
    rule(read, 'resource.k8s.io', 'deviceclasses resourceslices'),
  ]),
]
