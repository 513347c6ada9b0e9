import { nodeNameOf, type AccessDecision, type AccessRequest, type Authorize } from '../../api/authorizer.ts'
import type { PersistentVolumeClaim, Pod, PolicyRule } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { ruleAllows } from '../rbac/rules.ts'
import { podReferences, type PodReferences } from './pod-references.ts'
import type { PodsByNode } from './pods-by-node.ts'

const read = ['get', 'list', 'watch']
const write = ['create', 'update', 'patch']

/** What a kubelet may do whatever runs on it. Which Node, Lease or pod it may write is NodeRestriction's to check. */
const nodeRules: readonly PolicyRule[] = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  {
    apiGroups: ['authorization.k8s.io'],
    resources: ['subjectaccessreviews', 'localsubjectaccessreviews'],
    verbs: ['create'],
  },
  { apiGroups: [''], resources: ['services'], verbs: read },
  { apiGroups: [''], resources: ['nodes'], verbs: ['create'] },
  { apiGroups: [''], resources: ['events'], verbs: write },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: write },
  { apiGroups: [''], resources: ['pods'], verbs: ['create', 'delete'] },
  { apiGroups: [''], resources: ['pods/status'], verbs: ['update', 'patch'] },
  { apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] },
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests'],
    verbs: ['create', 'get', 'list', 'watch'],
  },
  { apiGroups: ['node.k8s.io'], resources: ['runtimeclasses'], verbs: read },
  { apiGroups: ['storage.k8s.io'], resources: ['csidrivers'], verbs: read },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
]

const allow: AccessDecision = { verdict: 'allow', reason: '' }
const refuse = (reason: string): AccessDecision => ({ verdict: 'no-opinion', reason })

/**
 * Lets a node read what the pods bound to it need, and write its own Node and Lease
 * (kubernetes.io/docs/reference/access-authn-authz/node, with the selectors of KEP-4601). No opinion on other users.
 */
export function createNodeAuthorizer(informers: Informers, podsByNode: PodsByNode): Authorize {
  const claims = informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims)
  const pods = informers.for<Pod>(refs.pods)

  function referenced(node: string, namespace: string, test: (found: PodReferences) => boolean): boolean {
    for (const pod of podsByNode.on(node)) {
      if (pod.metadata.namespace === namespace && test(podReferences(pod))) return true
    }
    return false
  }

  function volumeReferenced(node: string, volumeName: string): boolean {
    for (const pod of podsByNode.on(node)) {
      for (const claim of podReferences(pod).claims) {
        if (claims.get(pod.metadata.namespace ?? '', claim)?.spec?.volumeName === volumeName) return true
      }
    }
    return false
  }

  /** Reads of one object, or a list that its own name or field selector narrows to what the node may see. */
  function mayRead(request: AccessRequest, found: (namespace: string, name: string) => boolean): AccessDecision {
    if (!read.includes(request.verb)) return refuse(`can only read resources of this type`)
    const name = request.name || fieldValue(request, 'metadata.name')
    if (!name) return refuse('No Object name found')
    return found(request.namespace ?? '', name) ? allow : refuse('no relationship found between node and this object')
  }

  function ownObject(request: AccessRequest, node: string, verbs: readonly string[]): AccessDecision {
    if (!verbs.includes(request.verb)) return refuse(`node may not ${request.verb} this resource`)
    // The name of what is created is not known before its body is read: NodeRestriction checks it.
    if (request.verb === 'create') return allow
    const name = request.name || fieldValue(request, 'metadata.name')
    return name === node ? allow : refuse(`node ${JSON.stringify(node)} may only access its own object`)
  }

  return (request) => {
    const node = nodeNameOf(request.user)
    if (node === undefined) return refuse('')
    const subresource = request.subresource ?? ''
    switch (request.path === undefined ? `${request.group}/${request.resource}` : '') {
      case '/secrets':
        return mayRead(request, (ns, name) => referenced(node, ns, ({ secrets }) => secrets.has(name)))
      case '/configmaps':
        return mayRead(request, (ns, name) => referenced(node, ns, ({ configMaps }) => configMaps.has(name)))
      case '/persistentvolumeclaims':
        return mayRead(request, (ns, name) => referenced(node, ns, (found) => found.claims.has(name)))
      case '/persistentvolumes':
        return mayRead(request, (_, name) => volumeReferenced(node, name))
      case '/serviceaccounts': {
        const name = request.name ?? ''
        const mine = (ns: string): boolean => referenced(node, ns, (found) => found.serviceAccount === name)
        if (subresource === 'token' && request.verb === 'create') {
          return mine(request.namespace ?? '') ? allow : refuse('no relationship found between node and this object')
        }
        return subresource === '' ? mayRead(request, mine) : refuse('')
      }
      case '/nodes':
        if (subresource === 'status') return ownObject(request, node, ['update', 'patch'])
        return subresource === '' ? ownObject(request, node, [...read, ...write]) : refuse('')
      case 'coordination.k8s.io/leases':
        if (request.namespace !== 'kube-node-lease')
          return refuse('can only access leases in the "kube-node-lease" namespace')
        return ownObject(request, node, ['get', ...write, 'delete'])
      case 'storage.k8s.io/csinodes':
        return ownObject(request, node, ['get', ...write, 'delete'])
      case '/pods':
        if (subresource === '' && read.includes(request.verb)) {
          if (fieldValue(request, 'spec.nodeName') === node) return allow
          const pod = request.name ? pods.get(request.namespace ?? '', request.name) : undefined
          return pod?.spec?.nodeName === node
            ? allow
            : refuse('can only list/watch pods with spec.nodeName field selector')
        }
        break
      default:
    }
    return nodeRules.some((rule) => ruleAllows(rule, request)) ? allow : refuse('')
  }
}

function fieldValue(request: AccessRequest, key: string): string | undefined {
  const requirement = request.fieldSelector?.find((one) => one.key === key && one.operator === 'In')
  return requirement?.values?.length === 1 ? requirement.values[0] : undefined
}
