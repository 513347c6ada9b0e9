import type { ResourceDefinition } from '../kinds/definition.ts'

/** What a request is about. `namespace` is '' for cluster-scoped kinds and for lists over all namespaces. */
export interface Target {
  readonly definition: ResourceDefinition
  readonly namespace: string
  /** '' for collections. */
  readonly name: string
  /** '' for the resource itself. */
  readonly subresource: string
}

/** meta/v1 CreateOptions, UpdateOptions and PatchOptions together. */
export interface WriteOptions {
  dryRun?: boolean
  fieldManager?: string
  fieldValidation?: 'Strict' | 'Warn' | 'Ignore'
}

export interface PatchOptions extends WriteOptions {
  /** Apply only: takes over fields that others own. */
  force?: boolean
}

/** meta/v1 DeleteOptions. */
export interface DeleteRequest {
  dryRun?: boolean
  gracePeriodSeconds?: number
  orphanDependents?: boolean
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  preconditions?: { uid?: string; resourceVersion?: string }
}

/** meta/v1 ListOptions. */
export interface ListRequest {
  labelSelector?: string
  fieldSelector?: string
  limit?: number
  continue?: string
  resourceVersion?: string
  resourceVersionMatch?: string
  sendInitialEvents?: boolean
  allowWatchBookmarks?: boolean
  timeoutSeconds?: number
}
