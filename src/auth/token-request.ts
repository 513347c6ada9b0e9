import type { KubeObject } from '../api/object.ts'
import type { Pod, ServiceAccount, TokenRequest } from '../api/kinds.ts'
import { errors, fieldErrors, type FieldError } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'
import type { BoundRef, KubernetesClaim } from './token-claims.ts'

/** Shortest and longest life that may be asked for, and what counts when none is (KEP-1205). */
const minSeconds = 600
const maxSeconds = 2 ** 32
const defaultSeconds = 3600

const requestKind = { group: 'authentication.k8s.io', kind: 'TokenRequest' }

/** Answers `create serviceaccounts/{name}/token`. Returns the request with its status; throws StatusError. */
export type IssueToken = (namespace: string, name: string, request: TokenRequest) => Promise<TokenRequest>

export function createTokenIssuer(options: { tokens: ServiceAccountTokens; informers: Informers }): IssueToken {
  const { tokens, informers } = options
  const serviceAccounts = informers.for<ServiceAccount>(refs.serviceAccounts)
  const pods = informers.for<Pod>(refs.pods)
  const secrets = informers.for<KubeObject>(refs.secrets)
  const nodes = informers.for<KubeObject>(refs.nodes)

  /** The claim of what the request binds the token to. A uid given by the caller is a precondition. */
  function boundClaim(namespace: string, account: string, request: TokenRequest): Partial<KubernetesClaim> {
    const bound = request.spec?.boundObjectRef
    if (!bound) return {}
    const name = bound.name ?? ''
    switch (`${bound.apiVersion}/${bound.kind}`) {
      case 'v1/Pod': {
        const pod = pods.get(namespace, name)
        if (!pod) throw errors.notFound(refs.pods, name)
        const actual = pod.spec?.serviceAccountName ?? ''
        if (actual !== account) {
          throw errors.badRequest(
            `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
          )
        }
        const node = pod.spec?.nodeName
        const nodeUid = node ? nodes.get('', node)?.metadata.uid : undefined
        return {
          pod: checkedRef('Pod', refs.pods, pod, bound.uid),
          ...(node && nodeUid ? { node: { name: node, uid: nodeUid } } : {}),
        }
      }
      case 'v1/Secret': {
        const secret = secrets.get(namespace, name)
        if (!secret) throw errors.notFound(refs.secrets, name)
        return { secret: checkedRef('Secret', refs.secrets, secret, bound.uid) }
      }
      case 'v1/Node': {
        const node = nodes.get('', name)
        if (!node) throw errors.notFound(refs.nodes, name)
        return { node: checkedRef('Node', refs.nodes, node, bound.uid) }
      }
      default:
        throw errors.badRequest(
          `cannot bind token to object of type ${bound.apiVersion ?? ''}, Kind=${bound.kind ?? ''}`,
        )
    }
  }

  return async (namespace, name, request) => {
    const account = serviceAccounts.get(namespace, name)
    if (!account) throw errors.notFound(refs.serviceAccounts, name)
    const causes = validateTokenRequest(request)
    if (causes.length) throw errors.invalid(requestKind, '', causes)
    const audiences = request.spec?.audiences?.length ? request.spec.audiences : [...tokens.apiAudiences]
    const expirationSeconds = request.spec?.expirationSeconds ?? defaultSeconds
    const issued = await tokens.issue({
      claim: {
        namespace,
        serviceaccount: { name, uid: account.metadata.uid ?? '' },
        ...boundClaim(namespace, name, request),
      },
      audiences,
      expirationSeconds,
    })
    return {
      ...request,
      metadata: { ...request.metadata, name, namespace },
      spec: { ...request.spec, audiences, expirationSeconds },
      status: {
        token: issued.token,
        expirationTimestamp: new Date(issued.expiresMs).toISOString().replace('.000Z', 'Z'),
      },
    }
  }
}

function validateTokenRequest(request: TokenRequest): FieldError[] {
  const seconds = request.spec?.expirationSeconds
  if (seconds === undefined) return []
  if (seconds < minSeconds) {
    return [fieldErrors.invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes')]
  }
  if (seconds > maxSeconds) {
    return [
      fieldErrors.invalid('spec.expirationSeconds', seconds, 'may not specify a duration larger than 2^32 seconds'),
    ]
  }
  return []
}

function checkedRef(
  kind: string,
  ref: { group: string; resource: string },
  object: KubeObject,
  wantedUid: string | undefined,
): BoundRef {
  const { name = '', uid = '' } = object.metadata
  if (wantedUid && wantedUid !== uid) {
    throw errors.conflict(
      ref,
      name,
      `the UID in the bound object reference (${wantedUid}) does not match the UID in record. The object might have been deleted and then recreated (${kind} ${uid})`,
    )
  }
  return { name, uid }
}
