import type { AccessRequest, Authorize } from '../api/authorizer.ts'
import { errors, StatusError } from '../api/status-error.ts'
import { isAnonymous } from './user.ts'

/** `User "x" cannot list resource "pods" in API group "" in the namespace "y"` */
export function forbiddenReason(request: AccessRequest): string {
  const user = JSON.stringify(request.user.username ?? '')
  if (request.path !== undefined) return `User ${user} cannot ${request.verb} path ${JSON.stringify(request.path)}`
  const resource = request.subresource ? `${request.resource}/${request.subresource}` : request.resource
  const where = request.namespace ? `in the namespace ${JSON.stringify(request.namespace)}` : 'at the cluster scope'
  return `User ${user} cannot ${request.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(request.group ?? '')} ${where}`
}

/**
 * Throws unless the request is allowed: 403 that names what is missing, or 401 when nobody said who they are (this
 * cluster tells strangers nothing, not even what they may not do).
 */
export function requireAccess(authorize: Authorize, request: AccessRequest): void {
  const decision = authorize(request)
  if (decision.verdict === 'allow') return
  if (isAnonymous(request.user)) throw errors.unauthorized()
  const why = decision.reason ? `${forbiddenReason(request)}: ${decision.reason}` : forbiddenReason(request)
  if (request.path !== undefined) throw new StatusError('Forbidden', `forbidden: ${why}`, {})
  throw errors.forbidden({ group: request.group ?? '', resource: request.resource ?? '' }, request.name ?? '', why)
}
