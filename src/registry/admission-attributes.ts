import type { AdmissionAttributes, AdmissionOperation } from '../admission/plugin.ts'
import type { KubeObject } from '../api/object.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Target } from './options.ts'
import type { RequestContext } from './ports.ts'

/** A write as admission sees it, in the version of the request. */
export function admissionAttributes(
  context: RequestContext,
  definition: ResourceDefinition,
  target: Target,
  operation: AdmissionOperation,
  options: { dryRun?: boolean },
  oldObject?: KubeObject,
): AdmissionAttributes & { object: KubeObject } {
  const { group, version, resource, kind } = definition
  const attributes: AdmissionAttributes = {
    operation,
    ref: { group, version, resource, kind },
    subresource: target.subresource,
    namespace: target.namespace,
    name: target.name,
    ...(oldObject ? { oldObject } : {}),
    user: context.user,
    dryRun: options.dryRun === true,
    options,
    warnings: [],
    auditAnnotations: {},
    ...(context.signal ? { signal: context.signal } : {}),
  }
  // Writes set the object before any plugin looks; deletions have none.
  return attributes as AdmissionAttributes & { object: KubeObject }
}

/** What plugins had to say goes into the answer's headers and the audit log. */
export function passOnWarnings(attributes: AdmissionAttributes, context: RequestContext): void {
  for (const warning of attributes.warnings) context.warn(warning)
  for (const [key, value] of Object.entries(attributes.auditAnnotations)) context.annotate?.(key, value)
}
