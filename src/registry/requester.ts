import type { CertificateSigningRequest, UserInfo } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'

/**
 * Who asks for a certificate is what the server knows of the caller, whatever the body says (certificates strategy's
 * PrepareForCreate): approvers and signers rely on it. Mutates.
 */
export function recordRequester(definition: ResourceDefinition, object: KubeObject, user: UserInfo): void {
  if (definition.group !== 'certificates.k8s.io' || definition.resource !== 'certificatesigningrequests') return
  const request = object as CertificateSigningRequest
  if (!request.spec) return
  const { username, uid, groups, extra } = user
  request.spec = {
    ...request.spec,
    username: username ?? '',
    uid: uid ?? '',
    groups: [...(groups ?? [])],
    extra: structuredClone(extra ?? {}),
  }
  if (Object.keys(request.spec.extra ?? {}).length === 0) delete request.spec.extra
  if (!uid) delete request.spec.uid
}
