import type { FieldSelectorRequirement, LabelSelectorRequirement, UserInfo } from './kinds.ts'

/** What somebody wants to do: on a resource, or on a path that is none (`/healthz`). */
export interface AccessRequest {
  readonly user: UserInfo
  /** get, list, watch, create, update, patch, delete, deletecollection, and the special ones (bind, impersonate…); lower-case HTTP verb on paths. */
  readonly verb: string
  /** Absent for a resource request. */
  readonly path?: string
  readonly group?: string
  readonly version?: string
  readonly resource?: string
  readonly subresource?: string
  readonly namespace?: string
  readonly name?: string
  readonly fieldSelector?: readonly FieldSelectorRequirement[]
  readonly labelSelector?: readonly LabelSelectorRequirement[]
}

export interface AccessDecision {
  /** `no-opinion` counts as refused once nobody else allows it; `deny` is final. */
  readonly verdict: 'allow' | 'deny' | 'no-opinion'
  /** Why, for reviews and the audit log. */
  readonly reason: string
  /** What kept the answer from being complete, such as a binding to a role that is not there. */
  readonly evaluationError?: string
}

/** May they? Answered from local state, at once. */
export type Authorize = (request: AccessRequest) => AccessDecision

/**
 * The node's name when the user is a kubelet (`system:node:<name>`): both the name's form and the group must say so.
 */
export function nodeNameOf(user: UserInfo): string | undefined {
  const prefix = 'system:node:'
  const name = user.username ?? ''
  if (!name.startsWith(prefix) || !user.groups?.includes('system:nodes')) return undefined
  return name.slice(prefix.length) || undefined
}
