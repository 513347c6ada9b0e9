import type { Secret, ServiceAccount } from '../api/kinds.ts'
import type { IssueSecretToken } from '../auth/secret-tokens.ts'
import { refs } from '../client/client.ts'
import type { Absence } from './absence.ts'
import { type Controller, keyOf, nothing, type Plan, splitKey, type View } from './controller.ts'
import { deleteAction, mutateAction, selfWatch } from './reconcile/workload.ts'

const tokenType = 'kubernetes.io/service-account-token'
const nameAnnotation = 'kubernetes.io/service-account.name'
const uidAnnotation = 'kubernetes.io/service-account.uid'

const accountOf = ({ metadata }: Secret): string => metadata.annotations?.[nameAnnotation] ?? ''
const toBase64 = (text: string): string => Buffer.from(text).toString('base64')

export interface TokenSecretsOptions {
  caPem: string
  issue: IssueSecretToken
  absence: Absence
}

/**
 * Fills Secrets of type `kubernetes.io/service-account-token` with a token of their ServiceAccount, and removes them when
 * it is gone or another one has taken its name (upstream's TokensController).
 */
export function tokenSecretController(options: TokenSecretsOptions): Controller {
  const { absence } = options
  const tokenSecrets = (view: View, namespace?: string): Secret[] =>
    view.list<Secret>(refs.secrets, namespace).filter(({ type }) => type === tokenType)
  return {
    name: 'serviceaccount-token',
    watches: [
      selfWatch(refs.secrets),
      {
        ref: refs.serviceAccounts,
        keysOf({ object, previous, namespace, name }, view) {
          for (const one of [previous, object]) if (one) absence.present(`${namespace}/${name}/${one.metadata.uid}`)
          if (previous && previous.metadata.uid !== object?.metadata.uid)
            absence.went(`${namespace}/${name}/${previous.metadata.uid}`)
          if (object) absence.present(`${namespace}/${name}/`)
          else absence.went(`${namespace}/${name}/`)
          return tokenSecrets(view, namespace)
            .filter((secret) => accountOf(secret) === name)
            .map(keyOf)
        },
      },
    ],
    keys: (view) => tokenSecrets(view).map(keyOf),
    plan(key, view, nowMs) {
      const { namespace, name } = splitKey(key)
      const secret = view.get<Secret>(refs.secrets, namespace, name)
      if (secret?.type !== tokenType || secret.metadata.deletionTimestamp || accountOf(secret) === '') return nothing
      return planSecret(secret, view, nowMs, options)
    },
  }
}

function planSecret(secret: Secret, view: View, nowMs: number, { caPem, issue, absence }: TokenSecretsOptions): Plan {
  const { namespace = '', name = '' } = secret.metadata
  const account = view.get<ServiceAccount>(refs.serviceAccounts, namespace, accountOf(secret))
  const boundUid = secret.metadata.annotations?.[uidAnnotation]
  const { uid = '' } = account?.metadata ?? {}
  if (!account || (boundUid && boundUid !== uid)) {
    // It may only not have come yet: of replicas nobody knows in which order they hear of things.
    const leftMs = absence.leftMs(`${namespace}/${accountOf(secret)}/${boundUid ?? ''}`, nowMs)
    return leftMs > 0 ? { actions: [], requeueAfterMs: leftMs } : { actions: [deleteAction(refs.secrets, secret)] }
  }
  const fixed = { 'ca.crt': toBase64(caPem), namespace: toBase64(namespace) }
  const fill = (token: string) =>
    mutateAction(refs.secrets, secret, (current) => ({
      ...current,
      metadata: { ...current.metadata, annotations: { ...current.metadata.annotations, [uidAnnotation]: uid } },
      // A token that somebody else put there meanwhile is in use by now.
      data: { ...current.data, ...fixed, token: current.data?.['token'] || token },
    }))
  const token = secret.data?.['token']
  if (token) {
    const isWhole = boundUid === uid && Object.entries(fixed).every(([key, value]) => secret.data?.[key] === value)
    return isWhole ? nothing : { actions: [fill(token)] }
  }
  const compute = async () => {
    const made = await issue({ namespace, account: account.metadata.name!, accountUid: uid, secret: name })
    return [fill(toBase64(made))]
  }
  return { actions: [{ do: 'compute', compute }] }
}
