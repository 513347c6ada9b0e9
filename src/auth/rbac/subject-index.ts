import type { RbacV1Subject, RoleBinding, UserInfo } from '../../api/kinds.ts'
import type { Informer } from '../../client/informer.ts'
import { parseServiceAccount } from '../user.ts'

/**
 * Bindings by whom they name, kept up to date from an informer, so that a decision costs as many look-ups as the user
 * has groups, whatever the number of bindings. `namespace` is '' for ClusterRoleBindings.
 */
export interface SubjectIndex<B> {
  /** Bindings of that namespace whose subjects include the user. */
  of(user: UserInfo, namespace: string): B[]
  stop(): void
}

export function createSubjectIndex<B extends RoleBinding>(informer: Informer<B>): SubjectIndex<B> {
  const bySubject = new Map<string, Map<string, B>>()
  /** What each binding is filed under: an update may have changed its subjects since. */
  const filed = new Map<string, string[]>()

  function put(namespace: string, name: string, binding: B | undefined): void {
    const id = `${namespace}/${name}`
    for (const key of filed.get(id) ?? []) {
      const entries = bySubject.get(key)
      entries?.delete(id)
      if (entries?.size === 0) bySubject.delete(key)
    }
    filed.delete(id)
    if (!binding) return
    const keys = [...new Set((binding.subjects ?? []).map((subject) => subjectKey(subject, namespace)))]
    for (const key of keys) {
      const entries = bySubject.get(key) ?? new Map<string, B>()
      bySubject.set(key, entries.set(id, binding))
    }
    filed.set(id, keys)
  }

  const stop = informer.onChange(({ namespace, name, object }) => put(namespace, name, object))
  for (const binding of informer.list()) put(binding.metadata.namespace ?? '', binding.metadata.name ?? '', binding)

  return {
    stop,
    of(user, namespace) {
      const found = new Set<B>()
      for (const key of userKeys(user, namespace)) {
        for (const binding of bySubject.get(key)?.values() ?? []) found.add(binding)
      }
      return [...found]
    },
  }
}

function subjectKey(subject: RbacV1Subject, bindingNamespace: string): string {
  const name =
    subject.kind === 'ServiceAccount' ? `${subject.namespace || bindingNamespace}:${subject.name}` : subject.name
  return `${bindingNamespace}|${subject.kind}|${name}`
}

function userKeys(user: UserInfo, namespace: string): string[] {
  const account = parseServiceAccount(user.username ?? '')
  return [
    `${namespace}|User|${user.username ?? ''}`,
    ...(user.groups ?? []).map((group) => `${namespace}|Group|${group}`),
    ...(account ? [`${namespace}|ServiceAccount|${account.namespace}:${account.name}`] : []),
  ]
}

/** Which of a binding's subjects is the user, as the reason of a decision names it: `Group "ops"`. */
export function matchingSubject(binding: RoleBinding, user: UserInfo): string {
  const namespace = binding.metadata.namespace ?? ''
  const keys = new Set(userKeys(user, namespace))
  const subject = (binding.subjects ?? []).find((one) => keys.has(subjectKey(one, namespace)))
  if (!subject) return 'nobody'
  const name = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace || namespace}` : subject.name
  return `${subject.kind} ${JSON.stringify(name)}`
}
