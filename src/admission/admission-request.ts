import type { AdmissionAttributes, AdmissionResource } from './plugin.ts'

/** The `request` of an AdmissionReview, and of expressions (k8s.io/api/admission/v1 AdmissionRequest, without objects and uid). */
export function admissionRequest(attributes: AdmissionAttributes, matched: AdmissionResource) {
  const { ref, subresource, name, namespace, operation, user, dryRun, options } = attributes
  const kindOf = ({ group, version, kind }: AdmissionResource) => ({ group, version, kind })
  const resourceOf = ({ group, version, resource }: AdmissionResource) => ({ group, version, resource })
  return {
    kind: kindOf(matched),
    resource: resourceOf(matched),
    ...(subresource ? { subResource: subresource, requestSubResource: subresource } : {}),
    requestKind: kindOf(ref),
    requestResource: resourceOf(ref),
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    operation,
    userInfo: user,
    dryRun,
    options,
  }
}
