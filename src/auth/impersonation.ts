import type { AccessRequest, Authorize } from '../api/authorizer.ts'
import { errors } from '../api/status-error.ts'
import type { Headers } from './bearer-token.ts'
import { requireAccess } from './forbidden.ts'
import { anonymous, groups, parseServiceAccount, serviceAccountGroups, type User } from './user.ts'

const extraPrefix = 'impersonate-extra-'

/** Who the caller wants to be, from the Impersonate-* headers; undefined when there are none. */
export interface ImpersonationRequest {
  user: string
  groups: string[]
  uid?: string
  extra: Record<string, string[]>
}

const listOf = (value: string | string[] | undefined): string[] =>
  [value ?? []].flat().flatMap((one) =>
    one
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  )

/**
 * Reads the headers. `raw` are node:http's rawHeaders (name, value, name, value…), which keep several headers of one
 * name apart; `headers` would have joined them with commas, which a group's name may hold too.
 */
export function impersonationRequest(headers: Headers, raw?: readonly string[]): ImpersonationRequest | undefined {
  const values = (name: string): string[] => {
    if (!raw) return listOf(headers[name])
    return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]!.toLowerCase() === name)
  }
  const extra: Record<string, string[]> = {}
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(extraPrefix)) continue
    extra[decodeURIComponent(name.slice(extraPrefix.length))] = values(name)
  }
  const user = values('impersonate-user')[0] ?? ''
  const request = { user, groups: values('impersonate-group'), uid: values('impersonate-uid')[0], extra }
  if (user === '') {
    if (request.groups.length || request.uid || Object.keys(extra).length) {
      throw errors.internal('requested groups, uid or extra without impersonating a user')
    }
    return undefined
  }
  return request
}

/**
 * The user that the request goes on as. Throws 403 unless `caller` holds the verb `impersonate` on every part.
 */
export function impersonate(caller: User, request: ImpersonationRequest, authorize: Authorize): User {
  const demand = (what: Omit<AccessRequest, 'user' | 'verb'>): void =>
    requireAccess(authorize, { user: caller, verb: 'impersonate', ...what })
  const account = parseServiceAccount(request.user)
  if (account) demand({ group: '', version: 'v1', resource: 'serviceaccounts', ...account })
  else demand({ group: '', version: 'v1', resource: 'users', name: request.user })
  for (const name of request.groups) demand({ group: '', version: 'v1', resource: 'groups', name })
  const authentication = { group: 'authentication.k8s.io', version: 'v1' }
  for (const [key, values] of Object.entries(request.extra)) {
    for (const name of values) demand({ ...authentication, resource: 'userextras', subresource: key, name })
  }
  if (request.uid) demand({ ...authentication, resource: 'uids', name: request.uid })

  const own = request.groups.length === 0 && account ? serviceAccountGroups(account.namespace) : request.groups
  const added = request.user === anonymous.username ? groups.unauthenticated : groups.authenticated
  return {
    username: request.user,
    ...(request.uid ? { uid: request.uid } : {}),
    groups: [...new Set([...own, added])],
    extra: request.extra,
  }
}
