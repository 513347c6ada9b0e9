import type { Authorize } from '../api/authorizer.ts'
import type { CertificateSigningRequest } from '../api/kinds.ts'
import { parseSigningRequest, signerNames, signerRefusal } from '../pki/signing-request.ts'
import type { Action, Controller } from './controller.ts'
import { keyOf, nothing, splitKey } from './controller.ts'
import { timestamp } from './reconcile/timestamp.ts'
import { mutateAction, selfWatch } from './reconcile/workload.ts'

const ref = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }

/**
 * Approves the requests of kubelets for their client certificates, when RBAC lets their senders: those that ask for
 * themselves (selfnodeclient), and those that ask for a node before they are one (nodeclient). Certificates for serving
 * wait for somebody who knows the addresses (kube-controller-manager's csrapproving).
 */
export function certificateApprovalController(authorize: Authorize): Controller {
  return {
    name: 'certificate-approval',
    watches: [selfWatch(ref)],
    keys: (view) => view.list<CertificateSigningRequest>(ref).map(keyOf),
    plan(key, view, nowMs) {
      const request = view.get<CertificateSigningRequest>(ref, '', splitKey(key).name)
      if (!request || request.metadata.deletionTimestamp || request.status?.conditions?.length) return nothing
      if (request.spec.signerName !== signerNames.kubeletClient) return nothing
      return { actions: [judge(request, authorize, nowMs)] }
    },
  }
}

function judge(request: CertificateSigningRequest, authorize: Authorize, nowMs: number): Action {
  const { signerName, request: body, usages = [], username = '', groups = [], uid, extra } = request.spec
  const pem = new TextDecoder().decode(Uint8Array.from(atob(body), (char) => char.charCodeAt(0)))
  return {
    do: 'compute',
    async compute() {
      const asked = await parseSigningRequest(pem).catch(() => undefined)
      if (!asked || signerRefusal(signerName, asked, usages)) return []
      const isSelf = asked.commonName === username
      const { verdict } = authorize({
        user: { username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) },
        verb: 'create',
        group: ref.group,
        version: 'v1',
        resource: ref.resource,
        subresource: isSelf ? 'selfnodeclient' : 'nodeclient',
      })
      if (verdict !== 'allow') return []
      const now = timestamp(nowMs)
      const approved = {
        type: 'Approved',
        status: 'True',
        reason: 'AutoApproved',
        message: `Auto approving ${isSelf ? 'self ' : ''}kubelet client certificate after SubjectAccessReview.`,
        lastUpdateTime: now,
        lastTransitionTime: now,
      }
      // Somebody may have decided meanwhile, be it by denying it.
      const approve = (current: CertificateSigningRequest) =>
        current.status?.conditions?.length
          ? undefined
          : { ...current, status: { ...current.status, conditions: [approved] } }
      return [mutateAction(ref, request, approve, 'approval')]
    },
  }
}
