import type { User } from './user.ts'
import { groups, serviceAccountGroups, serviceAccountUsername } from './user.ts'

/** Name and uid of an object that a token is bound to: a new object of the same name does not keep it valid. */
export interface BoundRef {
  name: string
  uid: string
}

/** The private claim `kubernetes.io` of a bound service-account token. */
export interface KubernetesClaim {
  namespace: string
  serviceaccount: BoundRef
  pod?: BoundRef
  secret?: BoundRef
  node?: BoundRef
}

/** All claims (RFC 7519 names). Times in seconds. */
export interface TokenClaims {
  iss: string
  sub: string
  aud: string[]
  exp: number
  iat: number
  nbf: number
  jti: string
  'kubernetes.io': KubernetesClaim
}

/** What objects a token depends on look like now; undefined when there is none of that name. */
export interface BoundState {
  uid: string
  deletionTimestamp?: string
}

export type BoundLookup = (
  kind: 'ServiceAccount' | 'Pod' | 'Secret' | 'Node',
  namespace: string,
  name: string,
) => BoundState | undefined

/** A pod that is being deleted may still use its token for this long, as upstream's validator allows. */
const deletionLeewayMs = 60_000

/** Why the token no longer counts, or undefined when everything that it is bound to is still there. */
export function boundRefusal(claim: KubernetesClaim, lookup: BoundLookup, nowMs: number): string | undefined {
  const bound: [Parameters<BoundLookup>[0], BoundRef | undefined, string][] = [
    ['ServiceAccount', claim.serviceaccount, 'service account'],
    ['Secret', claim.secret, 'secret'],
    ['Pod', claim.pod, 'pod'],
  ]
  // A node reference is information when a pod is bound too: the pod's life decides.
  if (!claim.pod) bound.push(['Node', claim.node, 'node'])
  for (const [kind, ref, noun] of bound) {
    if (!ref) continue
    const state = lookup(kind, kind === 'Node' ? '' : claim.namespace, ref.name)
    if (!state) return `${noun} ${ref.name} not found`
    if (state.uid !== ref.uid) return `${noun} UID (${state.uid}) does not match claim (${ref.uid})`
    if (state.deletionTimestamp && Date.parse(state.deletionTimestamp) + deletionLeewayMs < nowMs) {
      return `${noun} ${ref.name} has been deleted`
    }
  }
  return undefined
}

/** The user that a token stands for. */
export function userOfClaims(claims: TokenClaims): User {
  const { namespace, serviceaccount, pod, node } = claims['kubernetes.io']
  return {
    username: serviceAccountUsername(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: [...serviceAccountGroups(namespace), groups.authenticated],
    extra: {
      'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`],
      ...(node
        ? {
            'authentication.kubernetes.io/node-name': [node.name],
            'authentication.kubernetes.io/node-uid': [node.uid],
          }
        : {}),
      ...(pod
        ? {
            'authentication.kubernetes.io/pod-name': [pod.name],
            'authentication.kubernetes.io/pod-uid': [pod.uid],
          }
        : {}),
    },
  }
}
