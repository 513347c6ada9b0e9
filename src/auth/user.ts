import type { UserInfo } from '../api/kinds.ts'

/** Who a request comes from, complete: what {@link UserInfo} leaves open is filled in. */
export interface User extends UserInfo {
  username: string
  groups: string[]
  extra: Record<string, string[]>
}

export const groups = {
  masters: 'system:masters',
  nodes: 'system:nodes',
  authenticated: 'system:authenticated',
  unauthenticated: 'system:unauthenticated',
  serviceAccounts: 'system:serviceaccounts',
} as const

const serviceAccountPrefix = 'system:serviceaccount:'

/** Somebody without credentials. */
export const anonymous: User = {
  username: 'system:anonymous',
  groups: [groups.unauthenticated],
  extra: {},
}

/** The agent's own components act by this identity inside the process. */
export const loopbackUser: User = {
  username: 'system:apiserver',
  groups: [groups.masters, groups.authenticated],
  extra: {},
}

export function isAnonymous(user: UserInfo): boolean {
  return user.username === anonymous.username
}

/** `system:serviceaccount:<namespace>:<name>` */
export function serviceAccountUsername(namespace: string, name: string): string {
  return `${serviceAccountPrefix}${namespace}:${name}`
}

/** The groups that every service account of a namespace is in, besides system:authenticated. */
export function serviceAccountGroups(namespace: string): string[] {
  return [groups.serviceAccounts, `${groups.serviceAccounts}:${namespace}`]
}

/** Reverse of {@link serviceAccountUsername}; undefined for other users. */
export function parseServiceAccount(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(serviceAccountPrefix)) return undefined
  const [namespace, name, ...rest] = username.slice(serviceAccountPrefix.length).split(':')
  return namespace && name && rest.length === 0 ? { namespace, name } : undefined
}

/** True for members of system:masters, whom no policy stops. */
export function isMaster(user: UserInfo): boolean {
  return user.groups?.includes(groups.masters) ?? false
}
