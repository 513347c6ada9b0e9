import type { Environment } from '@marcbachmann/cel-js'
import type { AccessDecision, AccessRequest, Authorize } from '../../../api/authorizer.ts'
import type { UserInfo } from '../../../api/kinds.ts'

/** `authorizer` in expressions: asks what the requester, or a service account, may do. */
export class CelAuthorizer {
  readonly authorize: Authorize
  readonly user: UserInfo
  /** The resource of the request itself; absent where there is no request. */
  requestResource?: CelResourceCheck
  constructor(authorize: Authorize, user: UserInfo) {
    this.authorize = authorize
    this.user = user
  }
}
class CelPathCheck {
  readonly by: CelAuthorizer
  readonly path: string
  constructor(by: CelAuthorizer, path: string) {
    this.by = by
    this.path = path
  }
}
/** `authorizer.requestResource`, and what `group(…).resource(…)` builds step by step. */
export class CelResourceCheck {
  readonly by: CelAuthorizer
  readonly request: Partial<AccessRequest>
  constructor(by: CelAuthorizer, request: Partial<AccessRequest>) {
    this.by = by
    this.request = request
  }
}
class CelGroupCheck {
  readonly by: CelAuthorizer
  readonly group: string
  constructor(by: CelAuthorizer, group: string) {
    this.by = by
    this.group = group
  }
}
class CelDecision {
  readonly decision: AccessDecision
  constructor(decision: AccessDecision) {
    this.decision = decision
  }
}

const prefix = 'kubernetes.authorization'

/** The authz library of Kubernetes' CEL. */
export function registerAuthorizer(env: Environment): void {
  const withPart =
    (part: keyof AccessRequest) =>
    (check: CelResourceCheck, value: string): CelResourceCheck =>
      new CelResourceCheck(check.by, { ...check.request, [part]: value })
  env
    .registerType(`${prefix}.PathCheck`, { ctor: CelPathCheck, fields: {} })
    .registerType(`${prefix}.GroupCheck`, { ctor: CelGroupCheck, fields: {} })
    .registerType(`${prefix}.ResourceCheck`, { ctor: CelResourceCheck, fields: {} })
    .registerType(`${prefix}.Authorizer`, {
      ctor: CelAuthorizer,
      fields: { requestResource: `${prefix}.ResourceCheck` },
    })
    .registerType(`${prefix}.Decision`, { ctor: CelDecision, fields: {} })
    .registerFunction(`${prefix}.Authorizer.path(string): ${prefix}.PathCheck`, (by: CelAuthorizer, path: string) => {
      if (path === '') throw new Error('path must not be empty')
      return new CelPathCheck(by, path)
    })
    .registerFunction(
      `${prefix}.Authorizer.group(string): ${prefix}.GroupCheck`,
      (by: CelAuthorizer, group: string) => new CelGroupCheck(by, group),
    )
    .registerFunction(
      `${prefix}.Authorizer.serviceAccount(string, string): ${prefix}.Authorizer`,
      ({ authorize }: CelAuthorizer, namespace: string, name: string) =>
        new CelAuthorizer(authorize, {
          username: `system:serviceaccount:${namespace}:${name}`,
          groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        }),
    )
    .registerFunction(
      `${prefix}.GroupCheck.resource(string): ${prefix}.ResourceCheck`,
      ({ by, group }: CelGroupCheck, resource: string) =>
        new CelResourceCheck(by, { group, version: '*', resource, subresource: '', namespace: '', name: '' }),
    )
    .registerFunction(`${prefix}.ResourceCheck.subresource(string): ${prefix}.ResourceCheck`, withPart('subresource'))
    .registerFunction(`${prefix}.ResourceCheck.namespace(string): ${prefix}.ResourceCheck`, withPart('namespace'))
    .registerFunction(`${prefix}.ResourceCheck.name(string): ${prefix}.ResourceCheck`, withPart('name'))
    .registerFunction(
      `${prefix}.ResourceCheck.check(string): ${prefix}.Decision`,
      ({ by, request }: CelResourceCheck, verb: string) =>
        new CelDecision(by.authorize({ ...request, user: by.user, verb })),
    )
    .registerFunction(
      `${prefix}.PathCheck.check(string): ${prefix}.Decision`,
      ({ by, path }: CelPathCheck, verb: string) => new CelDecision(by.authorize({ user: by.user, verb, path })),
    )
    .registerFunction(`${prefix}.Decision.allowed(): bool`, ({ decision }: CelDecision) => decision.verdict === 'allow')
    .registerFunction(`${prefix}.Decision.reason(): string`, ({ decision }: CelDecision) => decision.reason)
    .registerFunction(
      `${prefix}.Decision.errored(): bool`,
      ({ decision }: CelDecision) => decision.evaluationError !== undefined,
    )
    .registerFunction(
      `${prefix}.Decision.error(): string`,
      ({ decision }: CelDecision) => decision.evaluationError ?? '',
    )
}
