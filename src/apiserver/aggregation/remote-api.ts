import type { APIService, APIServiceCondition } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'

/** One group and version that an extension API server serves behind a Service (apiregistration.k8s.io/v1). */
export interface RemoteApi {
  /** Of its APIService. */
  readonly name: string
  readonly group: string
  readonly version: string
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number }
  /** What its certificate must be signed by, PEM; undefined: the system's authorities. */
  readonly caPem: string | undefined
  readonly insecure: boolean
  readonly groupPriority: number
  readonly versionPriority: number
}

const defaultPort = 443

/** The extension API that an APIService registers; undefined for one of our own (`spec.service` absent). */
export function remoteApiOf({ metadata, spec }: APIService): RemoteApi | undefined {
  const { service, group = '', version = '', caBundle, insecureSkipTLSVerify } = spec ?? {}
  if (!service?.name || !service.namespace || group === '' || version === '') return undefined
  return {
    name: metadata.name ?? '',
    group,
    version,
    service: { namespace: service.namespace, name: service.name, port: service.port ?? defaultPort },
    caPem: caBundle ? Buffer.from(caBundle, 'base64').toString('utf8') : undefined,
    insecure: insecureSkipTLSVerify === true,
    groupPriority: spec?.groupPriorityMinimum ?? 0,
    versionPriority: spec?.versionPriority ?? 0,
  }
}

/** Whether an extension API can be reached, in the words of its Available condition. */
export interface Availability {
  readonly available: boolean
  readonly reason: string
  readonly message: string
}

export const passed: Availability = { available: true, reason: 'Passed', message: 'all checks passed' }

/** Why an extension API cannot be reached. */
export class Unavailable extends Error {
  override name = 'Unavailable'
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

/** The APIService with its Available condition as it should be; undefined when it is so already. Others' conditions stay. */
export function withAvailability(
  stored: APIService & KubeObject,
  { available, reason, message }: Availability,
  now: string,
): (APIService & KubeObject) | undefined {
  const before = stored.status?.conditions?.find(({ type }) => type === 'Available')
  const status = available ? 'True' : 'False'
  if (before?.status === status && before.reason === reason && before.message === message) return undefined
  const condition: APIServiceCondition = {
    type: 'Available',
    status,
    reason,
    message,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : now,
  }
  const others = (stored.status?.conditions ?? []).filter(({ type }) => type !== 'Available')
  return { ...stored, status: { ...stored.status, conditions: [...others, condition] } }
}
