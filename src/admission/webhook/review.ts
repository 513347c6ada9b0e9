import type { WebhookClientConfig } from '../../api/kinds.ts'
import { StatusError, statusCodes, type StatusReason } from '../../api/status-error.ts'
import { admissionRequest } from '../admission-request.ts'
import { parseExact } from '../../lib/exact-json.ts'
import type { AdmissionAttributes, AdmissionResource } from '../plugin.ts'

/** Sends an AdmissionReview and returns the parsed answer. Rejects on failure, and after `timeoutMs`. */
export type WebhookTransport = (
  config: WebhookClientConfig,
  review: unknown,
  options: { timeoutMs: number; signal?: AbortSignal },
) => Promise<unknown>

/** The answer of a webhook, checked. */
export interface WebhookAnswer {
  allowed: boolean
  /** Parsed JSON patch. */
  patch?: unknown
  status?: { message?: string; reason?: string; code?: number }
  warnings: string[]
  auditAnnotations: Record<string, string>
}

/** The body that is sent (k8s.io/api/admission/v1). */
export function reviewBody(attributes: AdmissionAttributes, matched: AdmissionResource, uid: string) {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      ...admissionRequest(attributes, matched),
      object: attributes.object ?? null,
      oldObject: attributes.oldObject ?? null,
    },
  }
}

/** Checks what came back. Throws an Error for an answer that is none. */
export function readAnswer(body: unknown, uid: string): WebhookAnswer {
  const review = body as { kind?: string; response?: Record<string, unknown> } | null
  if (review?.kind !== 'AdmissionReview') throw new Error('webhook response has wrong kind: expected AdmissionReview')
  const { response } = review
  if (!response) throw new Error('webhook response was absent')
  if (response['uid'] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'])}`)
  const { patch, patchType } = response
  if (patch && patchType !== 'JSONPatch')
    throw new Error('webhook returned response.patch but not response.patchType JSONPatch')
  return {
    allowed: response['allowed'] === true,
    ...(patch ? { patch: parseExact(Buffer.from(String(patch), 'base64').toString('utf8')) } : {}),
    status: response['status'] as WebhookAnswer['status'],
    warnings: (response['warnings'] as string[] | undefined) ?? [],
    auditAnnotations: (response['auditAnnotations'] as Record<string, string> | undefined) ?? {},
  }
}

/** The error that a refusal becomes. */
export function denial(webhook: string, status: WebhookAnswer['status']): StatusError {
  const name = JSON.stringify(webhook)
  const message = status?.message || status?.reason
  const text = message
    ? `admission webhook ${name} denied the request: ${message}`
    : `admission webhook ${name} denied the request without explanation`
  return new StatusError(reasonOf(status), text)
}

function reasonOf(status: WebhookAnswer['status']): StatusReason {
  const reasons = Object.keys(statusCodes) as StatusReason[]
  const named = reasons.find((reason) => reason === status?.reason)
  return named ?? reasons.find((reason) => statusCodes[reason] === status?.code) ?? 'Forbidden'
}
