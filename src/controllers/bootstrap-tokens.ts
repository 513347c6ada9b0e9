import { FlattenedSign } from 'jose'
import type { ConfigMap, Secret } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { type Controller, nothing, type Plan, splitKey, type View } from './controller.ts'
import { deleteAction, mutateAction, sooner } from './reconcile/workload.ts'

const tokenNamespace = 'kube-system'
const tokenType = 'bootstrap.kubernetes.io/token'
const tokenPrefix = 'bootstrap-token-'
const infoNamespace = 'kube-public'
const infoName = 'cluster-info'
const signaturePrefix = 'jws-kubeconfig-'

const tokenKey = (name: string): string => `${tokenNamespace}/${name}`
const infoKey = `${infoNamespace}/${infoName}`
const isToken = (namespace: string, name: string): boolean =>
  namespace === tokenNamespace && name.startsWith(tokenPrefix)

/**
 * Deletes bootstrap tokens whose time is over (tokencleaner), and signs the kubeconfig of kube-public/cluster-info by
 * each token that is meant for it (bootstrapsigner), so that a machine which holds nothing but a token knows whom it
 * joins: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
 */
export const bootstrapTokenController: Controller = {
  name: 'bootstrap-tokens',
  watches: [
    {
      ref: refs.secrets,
      keysOf: ({ namespace, name }) => (isToken(namespace, name) ? [tokenKey(name), infoKey] : []),
    },
    {
      ref: refs.configMaps,
      keysOf: ({ namespace, name }) => (`${namespace}/${name}` === infoKey ? [infoKey] : []),
    },
  ],
  keys: (view) => [...tokensOf(view).map(({ metadata }) => tokenKey(metadata.name!)), infoKey],
  plan: (key, view, nowMs) => (key === infoKey ? signInfo(view, nowMs) : endToken(splitKey(key).name, view, nowMs)),
}

const tokensOf = (view: View): Secret[] =>
  view
    .list<Secret>(refs.secrets, tokenNamespace)
    .filter(({ type, metadata }) => type === tokenType && isToken(tokenNamespace, metadata.name ?? ''))

const valueOf = (secret: Secret, key: string): string =>
  new TextDecoder().decode(Uint8Array.from(atob(secret.data?.[key] ?? ''), (char) => char.charCodeAt(0)))

/** Infinity for a token that stays; what cannot be read was not meant to. */
function leftMs(secret: Secret, nowMs: number): number {
  const expiration = valueOf(secret, 'expiration')
  if (expiration === '') return Infinity
  const endMs = Date.parse(expiration)
  return Number.isNaN(endMs) ? 0 : endMs - nowMs
}

function endToken(name: string, view: View, nowMs: number): Plan {
  const secret = view.get<Secret>(refs.secrets, tokenNamespace, name)
  if (!secret || secret.type !== tokenType || secret.metadata.deletionTimestamp) return nothing
  const left = leftMs(secret, nowMs)
  if (left <= 0) return { actions: [deleteAction(refs.secrets, secret, { isConditional: true })] }
  return left === Infinity ? nothing : { actions: [], requeueAfterMs: left }
}

function signInfo(view: View, nowMs: number): Plan {
  const info = view.get<ConfigMap>(refs.configMaps, infoNamespace, infoName)
  if (!info || info.metadata.deletionTimestamp) return nothing
  const kubeconfig = info.data?.['kubeconfig']
  let nextMs: number | undefined
  const signers = tokensOf(view).flatMap((secret) => {
    const [id, key] = [valueOf(secret, 'token-id'), valueOf(secret, 'token-secret')]
    const left = leftMs(secret, nowMs)
    const isSigner = valueOf(secret, 'usage-bootstrap-signing') === 'true'
    if (!isSigner || left <= 0 || key === '' || `${tokenPrefix}${id}` !== secret.metadata.name) return []
    if (left !== Infinity) nextMs = sooner(nextMs, left)
    return [{ id, secret: `${id}.${key}` }]
  })
  return {
    actions: [
      {
        do: 'compute',
        async compute() {
          const signatures =
            kubeconfig === undefined ? [] : await Promise.all(signers.map((one) => signature(kubeconfig, one)))
          const change = (current: ConfigMap): ConfigMap | undefined => {
            const kept = Object.entries(current.data ?? {}).filter(([name]) => !name.startsWith(signaturePrefix))
            const data = Object.fromEntries([...kept, ...signatures])
            return isSame(data, current.data ?? {}) ? undefined : { ...current, data }
          }
          return change(info) ? [mutateAction(refs.configMaps, info, change)] : []
        },
      },
    ],
    ...(nextMs === undefined ? {} : { requeueAfterMs: nextMs }),
  }
}

/** A JWS without its content (RFC 7515, appendix F), by the token itself: who holds it can check it. */
async function signature(content: string, signer: { id: string; secret: string }): Promise<[string, string]> {
  const bytes = new TextEncoder()
  const signed = await new FlattenedSign(bytes.encode(content))
    .setProtectedHeader({ alg: 'HS256', kid: signer.id })
    .sign(bytes.encode(signer.secret))
  return [`${signaturePrefix}${signer.id}`, `${signed.protected}..${signed.signature}`]
}

const isSame = (a: Record<string, string>, b: Record<string, string>): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value)
