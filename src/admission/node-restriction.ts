import { nodeNameOf } from '../api/authorizer.ts'
import type { Node, Pod, TokenRequest } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import type { Informer } from '../client/informer.ts'
import { isMirrorPod } from './pod-containers.ts'
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts'

/** Labels under kubernetes.io and k8s.io that a node may put on itself. */
const ownLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
])
const ownLabelDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io']

/** Holds a node's identity to its own Node, its own Lease and the pods bound to it. */
export function nodeRestriction(pods: Informer<Pod>): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    validates(attributes) {
      const node = nodeNameOf(attributes.user)
      if (node === undefined) return
      const why = refusal(attributes, node, pods)
      if (why) throw errors.forbidden(attributes.ref, attributes.name, why)
    },
  }
}

function refusal(attributes: AdmissionAttributes, node: string, pods: Informer<Pod>): string | undefined {
  const { ref } = attributes
  switch (`${ref.group}/${ref.resource}`) {
    case '/pods':
      return podRefusal(attributes, node, pods)
    case '/nodes':
      return nodeRefusal(attributes, node)
    case '/serviceaccounts':
      return attributes.subresource === 'token' ? tokenRefusal(attributes, node, pods) : undefined
    case 'coordination.k8s.io/leases':
      if (attributes.namespace !== 'kube-node-lease') {
        return 'can only access leases in the "kube-node-lease" system namespace'
      }
      return nameOf(attributes) === node
        ? undefined
        : 'can only access node lease with the same name as the requesting node'
    case 'storage.k8s.io/csinodes':
      return nameOf(attributes) === node
        ? undefined
        : 'can only access CSINode with the same name as the requesting node'
    default:
      return undefined
  }
}

const nameOf = (attributes: AdmissionAttributes): string => attributes.object?.metadata.name ?? attributes.name

function podRefusal(attributes: AdmissionAttributes, node: string, pods: Informer<Pod>): string | undefined {
  const me = JSON.stringify(node)
  const stored = (attributes.oldObject ?? pods.get(attributes.namespace, attributes.name)) as Pod | undefined
  const isMine = stored?.spec?.nodeName === node
  switch (attributes.subresource) {
    case '':
      if (attributes.operation === 'DELETE') {
        return isMine ? undefined : `node ${me} can only delete pods with spec.nodeName set to itself`
      }
      if (attributes.operation !== 'CREATE') return `unexpected operation ${JSON.stringify(attributes.operation)}`
      return mirrorRefusal(attributes.object as Pod, node)
    case 'status': {
      if (!isMine) return `node ${me} can only update pod status for pods with spec.nodeName set to itself`
      const labels = (pod: Pod | undefined): string =>
        JSON.stringify(Object.entries(pod?.metadata.labels ?? {}).toSorted())
      return labels(stored) === labels(attributes.object as Pod)
        ? undefined
        : `node ${me} cannot update labels through pod status`
    }
    case 'eviction':
      return isMine ? undefined : `node ${me} can only evict pods with spec.nodeName set to itself`
    default:
      return `unexpected pod subresource ${JSON.stringify(attributes.subresource)}, only 'status' and 'eviction' are allowed`
  }
}

function mirrorRefusal(pod: Pod, node: string): string | undefined {
  const me = JSON.stringify(node)
  if (!isMirrorPod(pod)) {
    return `pod does not have "kubernetes.io/config.mirror" annotation, node ${me} can only create mirror pods`
  }
  if (pod.spec?.nodeName !== node) return `node ${me} can only create pods with spec.nodeName set to itself`
  if (pod.spec.serviceAccountName) return `node ${me} can not create pods that reference a service account`
  const volumes = pod.spec.volumes ?? []
  if (volumes.some((volume) => volume.secret || volume.projected?.sources?.some((one) => one.secret))) {
    return `node ${me} can not create pods that reference secrets`
  }
  if (volumes.some((volume) => volume.configMap)) return `node ${me} can not create pods that reference configmaps`
  if (volumes.some((volume) => volume.persistentVolumeClaim)) {
    return `node ${me} can not create pods that reference persistentvolumeclaims`
  }
  return undefined
}

function nodeRefusal(attributes: AdmissionAttributes, node: string): string | undefined {
  const me = JSON.stringify(node)
  const name = nameOf(attributes)
  if (name !== node) return `node ${me} is not allowed to modify node ${JSON.stringify(name)}`
  if (attributes.operation === 'DELETE') return `node ${me} is not allowed to delete itself`
  const wanted = attributes.object as Node
  const stored = attributes.oldObject as Node | undefined
  const changed = changedLabels(wanted.metadata.labels ?? {}, stored?.metadata.labels ?? {})
  const foreign = changed.filter((label) => isRestricted(label))
  if (foreign.length)
    return `is not allowed to ${stored ? 'modify' : 'set'} the following labels: ${foreign.toSorted().join(', ')}`
  if (!stored) return undefined
  if (JSON.stringify(wanted.spec?.taints ?? []) !== JSON.stringify(stored.spec?.taints ?? [])) {
    return `node ${me} is not allowed to modify taints`
  }
  if (JSON.stringify(wanted.metadata.ownerReferences ?? []) !== JSON.stringify(stored.metadata.ownerReferences ?? [])) {
    return `node ${me} is not allowed to modify ownerReferences`
  }
  return undefined
}

function changedLabels(wanted: Record<string, string>, stored: Record<string, string>): string[] {
  return [...new Set([...Object.keys(wanted), ...Object.keys(stored)])].filter((key) => wanted[key] !== stored[key])
}

function isRestricted(label: string): boolean {
  const [domain] = label.includes('/') ? label.split('/') : ['']
  const within = (parent: string): boolean => domain === parent || domain!.endsWith(`.${parent}`)
  if (within('node-restriction.kubernetes.io')) return true
  if (!within('kubernetes.io') && !within('k8s.io')) return false
  return !ownLabels.has(label) && !ownLabelDomains.some(within)
}

function tokenRefusal(attributes: AdmissionAttributes, node: string, pods: Informer<Pod>): string | undefined {
  const bound = (attributes.object as TokenRequest | undefined)?.spec?.boundObjectRef
  if (bound?.kind !== 'Pod' || bound.apiVersion !== 'v1' || !bound.name)
    return 'node requested token not bound to a pod'
  if (!bound.uid) return 'node requested token with a pod binding without a uid'
  const pod = pods.get(attributes.namespace, bound.name)
  if (!pod) return `pod ${JSON.stringify(bound.name)} not found`
  if (pod.metadata.uid !== bound.uid) {
    return `the UID in the bound object reference (${bound.uid}) does not match the UID in record (${pod.metadata.uid})`
  }
  return pod.spec?.nodeName === node ? undefined : 'node requested token bound to a pod scheduled on a different node'
}
