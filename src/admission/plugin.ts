import type { UserInfo } from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'

/** The resource of a request, in the version that it was made in. */
export interface AdmissionResource extends GroupResource {
  readonly version: string
  readonly kind: string
}

/** One write on its way to the store. */
export interface AdmissionAttributes {
  readonly operation: AdmissionOperation
  readonly ref: AdmissionResource
  /** '' for the main resource. */
  readonly subresource: string
  /** '' for cluster-scoped resources. */
  readonly namespace: string
  /** '' while generateName has not been resolved. */
  readonly name: string
  /** What is to be stored: plugins that mutate change it in place, or put another in its place. Absent for DELETE. */
  object?: KubeObject
  /** What is stored now, frozen. Absent for CREATE and CONNECT. */
  readonly oldObject?: KubeObject
  readonly user: UserInfo
  /** Nothing may be changed outside the object. */
  readonly dryRun: boolean
  /** Create-, Update-, Patch-, Delete- or Pod…Options of the request. */
  readonly options: object
  /** Sent as Warning headers. */
  readonly warnings: string[]
  /** Go into the audit log, keys as `<plugin>/<name>`. */
  readonly auditAnnotations: Record<string, string>
  /** Aborted with the request. */
  readonly signal?: AbortSignal
}

/**
 * Has a say in writes: first all that mutate, in their order, then all that validate. Refuses by throwing a
 * StatusError. `mutates` returns true when it changed the object in a way that the others should see (webhooks and
 * policies): then all of them run once more, so every plugin must bear being run twice on one object.
 */
export interface AdmissionPlugin {
  readonly name: string
  mutates?(attributes: AdmissionAttributes): Promise<boolean | void> | boolean | void
  validates?(attributes: AdmissionAttributes): Promise<void> | void
}

/** Whether the request is on this main resource. */
export function isOn(
  attributes: AdmissionAttributes,
  ref: GroupResource,
  ...operations: AdmissionOperation[]
): boolean {
  return (
    attributes.ref.group === ref.group &&
    attributes.ref.resource === ref.resource &&
    attributes.subresource === '' &&
    operations.includes(attributes.operation)
  )
}
