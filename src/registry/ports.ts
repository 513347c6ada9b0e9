import type { ManagedFieldsEntry, UserInfo } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import type { FieldError } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Decoded } from '../schema/schema.ts'

/** One request as the pipeline sees it, whatever transport brought it. */
export interface RequestContext {
  readonly user: UserInfo
  readonly signal?: AbortSignal
  /** Product part of the client's User-Agent: the field manager when none is named. */
  readonly userAgent?: string
  /** Collects what the answer's Warning headers say. */
  warn(message: string): void
  /** Puts something into the audit log's record of the request. */
  annotate?(key: string, value: string): void
}

/** What the pipeline needs of the schema graph, by resource definition, so that CRDs and built-ins look alike. */
export interface TypeSystem {
  /** Untyped value → object without unknown fields, of the right types. Throws StatusError BadRequest. */
  conform(definition: ResourceDefinition, value: unknown): Decoded
  /** Defaults that the schema declares, then the strategy's. Idempotent; mutates. */
  applyDefaults(definition: ResourceDefinition, object: KubeObject): void
  /** Rules that the schema declares (required, enum, bounds, patterns, CEL). */
  validate(definition: ResourceDefinition, object: KubeObject, old: KubeObject | undefined): FieldError[]
  /** Says in the status of a ValidatingAdmissionPolicy which of its expressions do not fit the types that it names. */
  checkPolicyTypes(
    definition: ResourceDefinition,
    next: KubeObject,
    old: KubeObject | undefined,
    catalogue: { all(): readonly ResourceDefinition[] },
  ): void
  /** Strategic merge patch (KEP-less; upstream's strategicpatch package). Throws StatusError. */
  strategicMerge(definition: ResourceDefinition, current: KubeObject, patch: unknown): unknown
  /** Server-side apply (KEP-555). Returns the merged object with its new managedFields. Throws Conflict unless forced. */
  apply(
    definition: ResourceDefinition,
    live: KubeObject | undefined,
    applied: KubeObject,
    by: FieldWriter & { force: boolean },
  ): KubeObject
  /** managedFields after `next` replaces `live`. */
  track(
    definition: ResourceDefinition,
    live: KubeObject | undefined,
    next: KubeObject,
    by: FieldWriter,
  ): ManagedFieldsEntry[] | undefined
}

/** Who writes fields, for managedFields. */
export interface FieldWriter {
  readonly manager: string
  readonly subresource: string
  readonly nowMs: number
}

/** Where Services get their addresses (architecture §4). A `take` is local; a `claim` of a given value is a decision. */
export interface ServiceAddresses {
  /**
   * Where cluster IPs have a second family: each IPv4 one has one IPv6 one, so that one decision gives both. Undefined for
   * what is not in the range.
   */
  readonly secondFamily?: { toIpv6(ip: string): string | undefined; toIpv4(ip: string): string | undefined }
  /** Throw ServiceUnavailable when this node has none left. */
  takeClusterIp(): string
  takeNodePort(): number
  /** Resolves when there are more. Throws ServiceUnavailable when nobody can give them. */
  replenish(): Promise<void>
  /** The write is over: what was taken or claimed for it is held by its Service now, or free again. */
  returnClusterIp(ip: string): void
  returnNodePort(port: number): void
  /** Throws StatusError Invalid-like `AlreadyExists` when the value is taken, ServiceUnavailable without a leader. */
  claim(what: { clusterIp?: string; nodePort?: number; owner: string }): Promise<void>
  release(what: { clusterIps: string[]; nodePorts: number[] }): Promise<void>
}
