import type { ConfigMap, Role, RoleBinding } from '../api/kinds.ts'
import { frontProxyName } from '../pki/certificates.ts'

/** PEM texts of the authorities that clients' certificates are signed by. */
export interface ClientAuthorities {
  caPem: string
  frontProxyCaPem: string
}

const name = 'extension-apiserver-authentication'
const namespace = 'kube-system'
const group = 'rbac.authorization.k8s.io'

/**
 * What extension API servers read to know whom to believe (kube-apiserver's ClusterAuthenticationTrust controller):
 * our clients' authority, and that of the certificates by which we speak for users. Readable by those who are given
 * the Role.
 */
export function extensionAuthentication({
  caPem,
  frontProxyCaPem,
}: ClientAuthorities): (ConfigMap | Role | RoleBinding)[] {
  const metadata = { name, namespace }
  const reader = { name: `${name}-reader`, namespace }
  const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' }
  const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'true' }
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: {
        'client-ca-file': caPem,
        'requestheader-client-ca-file': frontProxyCaPem,
        'requestheader-allowed-names': JSON.stringify([frontProxyName]),
        'requestheader-username-headers': JSON.stringify(['X-Remote-User']),
        'requestheader-uid-headers': JSON.stringify(['X-Remote-Uid']),
        'requestheader-group-headers': JSON.stringify(['X-Remote-Group']),
        'requestheader-extra-headers-prefix': JSON.stringify(['X-Remote-Extra-']),
      },
    },
    {
      apiVersion: `${group}/v1`,
      kind: 'Role',
      metadata: { ...reader, labels, annotations },
      rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: [name], verbs: ['get', 'list', 'watch'] }],
    },
    {
      apiVersion: `${group}/v1`,
      kind: 'RoleBinding',
      metadata: { name: `system::${reader.name}`, namespace, labels, annotations },
      roleRef: { apiGroup: group, kind: 'Role', name: reader.name },
      subjects: ['system:kube-controller-manager', 'system:kube-scheduler'].map((user) => ({
        kind: 'User',
        apiGroup: group,
        name: user,
      })),
    },
  ]
}
