import type { UserInfo } from '../../api/kinds.ts'
import type { Clock } from '../../lib/clock.ts'
import type { RequestInfo } from '../request-info.ts'
import { decideAudit, type AuditDecision, type AuditPolicy, type AuditStage } from './policy.ts'

/** Takes finished lines; never throws and never waits. */
export interface AuditSink {
  write(line: string): void
}

/** What is known of a request when its audit begins. */
export interface AuditedRequest {
  readonly auditId: string
  readonly info: RequestInfo
  /** Path and query. */
  readonly uri: string
  /** Who sent it. */
  readonly user: UserInfo
  /** As whom it goes on, when that is somebody else. */
  readonly impersonated?: UserInfo
  /** The verb that lets it, for certain requests only. */
  readonly constraint?: string | undefined
  readonly sourceIps: readonly string[]
  readonly userAgent: string | undefined
}

/** The record of one request, filled as it goes on. All methods do nothing where the policy wants to know nothing. */
export interface AuditTrail {
  annotate(key: string, value: string): void
  /** The decoded body. */
  request(object: unknown): void
  /** The answer's body. */
  response(object: unknown): void
  /** For what goes on for long: the head is sent. */
  started(code: number): void
  complete(code: number): void
}

export interface Audit {
  begin(request: AuditedRequest): AuditTrail
}

/** Longer annotations are cut: a webhook may say anything. */
const maxAnnotationLength = 64 * 1024

/** Writes audit.k8s.io/v1 Events, one JSON line each, as the policy says. */
export function createAudit({ policy, sink, clock }: { policy: AuditPolicy; sink: AuditSink; clock: Clock }): Audit {
  const time = (): string => `${new Date(clock.nowMs()).toISOString().slice(0, -1)}000Z`

  return {
    begin(asked) {
      const decision = decideAudit(policy, asked.user, asked.info)
      if (decision.level === 'None') return silentTrail
      const received = time()
      const annotations: Record<string, string> = {}
      let requestObject: unknown
      let responseObject: unknown

      function emit(stage: AuditStage, code?: number): void {
        if (decision.omitStages.includes(stage)) return
        const withRequest = decision.level === 'Request' || decision.level === 'RequestResponse'
        const event = {
          kind: 'Event',
          apiVersion: 'audit.k8s.io/v1',
          level: decision.level,
          auditID: asked.auditId,
          stage,
          requestURI: asked.uri,
          verb: asked.info.verb,
          user: asked.user,
          ...(asked.impersonated ? { impersonatedUser: asked.impersonated } : {}),
          ...(asked.constraint ? { authenticationMetadata: { impersonationConstraint: asked.constraint } } : {}),
          sourceIPs: asked.sourceIps,
          ...(asked.userAgent ? { userAgent: asked.userAgent } : {}),
          ...objectRefOf(asked.info),
          ...(code === undefined ? {} : { responseStatus: statusOf(code, responseObject) }),
          ...(withRequest && requestObject !== undefined ? { requestObject: shown(requestObject, decision) } : {}),
          ...(decision.level === 'RequestResponse' && responseObject !== undefined
            ? { responseObject: shown(responseObject, decision) }
            : {}),
          requestReceivedTimestamp: received,
          stageTimestamp: time(),
          ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
        }
        sink.write(`${JSON.stringify(event)}\n`)
      }

      emit('RequestReceived')
      return {
        annotate(key, value) {
          // The first to say something of a key is believed, as upstream does.
          annotations[key] ??= value.slice(0, maxAnnotationLength)
        },
        request: (object) => void (requestObject ??= object),
        response: (object) => void (responseObject = object),
        started: (code) => emit('ResponseStarted', code),
        complete: (code) => emit('ResponseComplete', code),
      }
    },
  }
}

/** For requests of which nothing is said. */
export const silentTrail: AuditTrail = {
  annotate() {},
  request() {},
  response() {},
  started() {},
  complete() {},
}

function objectRefOf(info: RequestInfo): object {
  if (!info.isResource) return {}
  const { resource, namespace, name, group, version, subresource } = info
  return {
    objectRef: {
      resource,
      ...(namespace ? { namespace } : {}),
      ...(name ? { name } : {}),
      ...(group ? { apiGroup: group } : {}),
      apiVersion: version,
      ...(subresource ? { subresource } : {}),
    },
  }
}

function statusOf(code: number, answer: unknown): object {
  const { kind, status, reason, message } = (answer ?? {}) as Record<string, unknown>
  const isStatus = kind === 'Status' && status === 'Failure'
  return { metadata: {}, ...(isStatus ? { status, reason, message } : {}), code }
}

function shown(object: unknown, { omitManagedFields }: AuditDecision): unknown {
  if (!omitManagedFields || typeof object !== 'object' || object === null) return object
  const { metadata, items } = object as { metadata?: object; items?: unknown[] }
  return {
    ...object,
    ...(metadata ? { metadata: { ...metadata, managedFields: undefined } } : {}),
    ...(Array.isArray(items) ? { items: items.map((one) => shown(one, { omitManagedFields } as AuditDecision)) } : {}),
  }
}
