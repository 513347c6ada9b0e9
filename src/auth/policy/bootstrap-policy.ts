import type { ClusterRole, ClusterRoleBinding } from '../../api/kinds.ts'
import { groups } from '../user.ts'
import { componentRoles } from './component-roles.ts'
import { controllerRules } from './controller-roles.ts'
import { clusterRole, clusterRoleBinding, subjectGroup, subjectServiceAccount, subjectUser } from './rule.ts'
import { discoveryRoles, metricsReaderRole, userFacingRoles } from './user-facing-roles.ts'

const controllers = Object.entries(controllerRules)

/** The ClusterRoles that every Kubernetes cluster has: ensured at each start (kubernetes.io: default roles and role bindings). */
export const bootstrapClusterRoles: readonly ClusterRole[] = [
  ...userFacingRoles,
  ...discoveryRoles,
  metricsReaderRole,
  ...componentRoles,
  ...controllers.map(([name, rules]) => clusterRole(`system:controller:${name}`, [...rules])),
]

const authenticated = subjectGroup(groups.authenticated)

/** Who gets them. */
export const bootstrapClusterRoleBindings: readonly ClusterRoleBinding[] = [
  clusterRoleBinding('cluster-admin', [subjectGroup(groups.masters)]),
  clusterRoleBinding('system:discovery', [authenticated]),
  clusterRoleBinding('system:basic-user', [authenticated]),
  clusterRoleBinding('system:public-info-viewer', [authenticated, subjectGroup(groups.unauthenticated)]),
  clusterRoleBinding('system:service-account-issuer-discovery', [subjectGroup(groups.serviceAccounts)]),
  clusterRoleBinding('system:monitoring', [subjectGroup('system:monitoring')]),
  // As kubeadm has it: a kubelet with a bootstrap token asks for its certificate, and later for the next one.
  clusterRoleBinding('system:node-bootstrapper', [subjectGroup('system:bootstrappers')]),
  clusterRoleBinding('system:certificates.k8s.io:certificatesigningrequests:nodeclient', [
    subjectGroup('system:bootstrappers'),
  ]),
  clusterRoleBinding('system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', [
    subjectGroup(groups.nodes),
  ]),
  // Nodes get their rights from the node authorizer; the binding is there for tools that look for it.
  clusterRoleBinding('system:node', []),
  clusterRoleBinding('system:node-proxier', [subjectUser('system:kube-proxy')]),
  clusterRoleBinding('system:kube-controller-manager', [subjectUser('system:kube-controller-manager')]),
  clusterRoleBinding('system:kube-scheduler', [subjectUser('system:kube-scheduler')]),
  clusterRoleBinding('system:volume-scheduler', [subjectUser('system:kube-scheduler')]),
  clusterRoleBinding('system:kube-dns', [subjectServiceAccount('kube-system', 'kube-dns')]),
  ...controllers.map(([name]) =>
    clusterRoleBinding(`system:controller:${name}`, [subjectServiceAccount('kube-system', name)]),
  ),
]
