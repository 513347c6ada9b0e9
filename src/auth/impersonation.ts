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

/** Who the request goes on as. */
export interface Impersonated {
  user: User
  /** The verb by which it is let do no more than it is allowed on behalf of that user; undefined without such bounds. */
  constraint?: string
}

/** A way in which impersonation can be granted for certain requests only (KEP-5284). */
interface Mode {
  name: string
  applies(wanted: ImpersonationRequest, caller: User): boolean
}

const nodePrefix = 'system:node:'
const nodeOf = (username: string): string | undefined =>
  username.startsWith(nodePrefix) ? username.slice(nodePrefix.length) || undefined : undefined
const isNameOnly = ({ groups: given, uid, extra }: ImpersonationRequest): boolean =>
  given.length === 0 && !uid && Object.keys(extra).length === 0

const modes: readonly Mode[] = [
  {
    name: 'associated-node',
    applies: (wanted, caller) =>
      isNameOnly(wanted) &&
      parseServiceAccount(caller.username) !== undefined &&
      nodeOf(wanted.user) !== undefined &&
      caller.extra['authentication.kubernetes.io/node-name']?.[0] === nodeOf(wanted.user),
  },
  { name: 'arbitrary-node', applies: (wanted) => isNameOnly(wanted) && nodeOf(wanted.user) !== undefined },
  { name: 'serviceaccount', applies: (wanted) => isNameOnly(wanted) && parseServiceAccount(wanted.user) !== undefined },
  { name: 'user-info', applies: ({ user }) => nodeOf(user) === undefined && parseServiceAccount(user) === undefined },
]

/**
 * The user that the request `on` something goes on as: one for whom `caller` holds `impersonate:<mode>`, and
 * `impersonate-on:<mode>:<verb>` on what is asked; or else `impersonate`, on every part. Throws 403 for lack of the latter.
 */
export function impersonate(
  caller: User,
  wanted: ImpersonationRequest,
  authorize: Authorize,
  on: Omit<AccessRequest, 'user'>,
): Impersonated {
  const allows = (request: AccessRequest): boolean => authorize(request).verdict === 'allow'
  for (const { name, applies } of modes) {
    if (!applies(wanted, caller)) continue
    if (!allows({ ...on, user: caller, verb: `impersonate-on:${name}:${on.verb}` })) continue
    const constraint = `impersonate:${name}`
    if (!partsOf(wanted, name).every((part) => allows({ ...part, user: caller, verb: constraint }))) continue
    return { user: impersonatedUser(wanted, nodeOf(wanted.user) === undefined ? [] : [groups.nodes]), constraint }
  }
  for (const part of partsOf(wanted)) requireAccess(authorize, { ...part, user: caller, verb: 'impersonate' })
  return { user: impersonatedUser(wanted) }
}

/** What somebody must be allowed to take on; in core's own group where no mode sets bounds. */
function partsOf(wanted: ImpersonationRequest, mode?: string): Omit<AccessRequest, 'user' | 'verb'>[] {
  const authentication = { group: 'authentication.k8s.io', version: 'v1' }
  const identity = mode ? authentication : { group: '', version: 'v1' }
  const account = parseServiceAccount(wanted.user)
  const node = mode ? nodeOf(wanted.user) : undefined
  let who: Omit<AccessRequest, 'user' | 'verb'> = { ...identity, resource: 'users', name: wanted.user }
  if (account) who = { ...identity, resource: 'serviceaccounts', ...account }
  // Which node that is was looked at already: the grant is for whichever the caller is on.
  else if (node) who = { ...identity, resource: 'nodes', name: mode === 'associated-node' ? '*' : node }
  return [
    who,
    ...wanted.groups.map((name) => ({ ...identity, resource: 'groups', name })),
    ...Object.entries(wanted.extra).flatMap(([subresource, values]) =>
      values.map((name) => ({ ...authentication, resource: 'userextras', subresource, name })),
    ),
    ...(wanted.uid ? [{ ...authentication, resource: 'uids', name: wanted.uid }] : []),
  ]
}

function impersonatedUser(wanted: ImpersonationRequest, implied: readonly string[] = []): User {
  const account = parseServiceAccount(wanted.user)
  const own = wanted.groups.length === 0 && account ? serviceAccountGroups(account.namespace) : wanted.groups
  const added = wanted.user === anonymous.username ? groups.unauthenticated : groups.authenticated
  return {
    username: wanted.user,
    ...(wanted.uid ? { uid: wanted.uid } : {}),
    groups: [...new Set([...own, ...implied, added])],
    extra: wanted.extra,
  }
}
