import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../api/kinds.ts'
import type { CertificateAuthority } from '../pki/certificate-authority.ts'
import { signerNames, signRequest } from '../pki/signing-request.ts'
import { type Action, type Controller, keyOf, nothing, type Plan, splitKey } from './controller.ts'
import { timeMs, timestamp } from './reconcile/timestamp.ts'
import { deleteAction, mutateAction, selfWatch } from './reconcile/workload.ts'

const ref = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }
const hourMs = 3_600_000
/** Requests are kept so long after they were decided, and while nobody decides (upstream's csrcleaner). */
const decidedMs = hourMs
const pendingMs = 24 * hourMs
/** Upstream's --cluster-signing-duration. */
const defaultLifetimeMs = 365 * 24 * hourMs

/** Signs approved requests of this cluster's own signers, and removes old ones (certificates.k8s.io/v1). */
export function certificateRequestController(authority: CertificateAuthority): Controller {
  return {
    name: 'certificate-signing',
    watches: [selfWatch(ref)],
    keys: (view) => view.list<CertificateSigningRequest>(ref).map(keyOf),
    plan(key, view, nowMs) {
      const request = view.get<CertificateSigningRequest>(ref, '', splitKey(key).name)
      if (!request || request.metadata.deletionTimestamp) return nothing
      return isToSign(request) ? { actions: [sign(request, authority, nowMs)] } : expiry(request, nowMs)
    },
  }
}

const conditionOf = (
  request: CertificateSigningRequest,
  type: string,
): CertificateSigningRequestCondition | undefined => request.status?.conditions?.find((one) => one.type === type)

const isToSign = (request: CertificateSigningRequest): boolean =>
  Object.values<string>(signerNames).includes(request.spec.signerName) &&
  conditionOf(request, 'Approved') !== undefined &&
  !conditionOf(request, 'Denied') &&
  !conditionOf(request, 'Failed') &&
  !request.status?.certificate

function sign(request: CertificateSigningRequest, authority: CertificateAuthority, nowMs: number): Action {
  const { signerName, request: body, usages = [], expirationSeconds } = request.spec
  const requestPem = new TextDecoder().decode(Uint8Array.from(atob(body), (char) => char.charCodeAt(0)))
  const lifetimeMs = Math.min(
    expirationSeconds === undefined ? defaultLifetimeMs : expirationSeconds * 1000,
    defaultLifetimeMs,
  )
  return {
    do: 'compute',
    async compute() {
      try {
        const pem = await signRequest(authority, { signerName, requestPem, usages, lifetimeMs }, nowMs)
        return [write(request, () => ({ certificate: btoa(pem) }))]
      } catch (error) {
        const now = timestamp(nowMs)
        const failed = {
          type: 'Failed',
          status: 'True',
          reason: 'SignerValidationFailure',
          message: (error as Error).message,
          lastUpdateTime: now,
          lastTransitionTime: now,
        }
        return [write(request, ({ status }) => ({ conditions: [...(status?.conditions ?? []), failed] }))]
      }
    },
  }
}

/** Unless it was denied, or signed, since it was looked at. */
const write = (
  request: CertificateSigningRequest,
  partOf: (current: CertificateSigningRequest) => CertificateSigningRequest['status'],
): Action =>
  mutateAction(
    ref,
    request,
    (current) => (isToSign(current) ? { ...current, status: { ...current.status, ...partOf(current) } } : undefined),
    'status',
  )

function expiry(request: CertificateSigningRequest, nowMs: number): Plan {
  const decided = ['Denied', 'Failed', 'Approved'].map((type) => conditionOf(request, type)).find((one) => one)
  const isDone = decided && (decided.type !== 'Approved' || request.status?.certificate)
  const sinceMs = isDone
    ? timeMs(decided.lastUpdateTime ?? decided.lastTransitionTime)
    : timeMs(request.metadata.creationTimestamp)
  const leftMs = (sinceMs ?? nowMs) + (isDone ? decidedMs : pendingMs) - nowMs
  return leftMs > 0 ? { actions: [], requeueAfterMs: leftMs } : { actions: [deleteAction(ref, request)] }
}
