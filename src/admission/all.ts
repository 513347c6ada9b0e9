import type { AdmissionPlugin } from './plugin.ts'
import { builtInAdmission, type BuiltInAdmissionOptions } from './built-in.ts'
import { mutatingAdmissionPolicies, type MutatingPolicyOptions } from './policy/mutating-policy.ts'
import { validatingAdmissionPolicies } from './policy/validating-policy.ts'
import { resourceQuota } from './quota/resource-quota.ts'
import type { WebhookTransport } from './webhook/review.ts'
import { mutatingWebhooks, validatingWebhooks, type WebhookOptions } from './webhook/webhooks.ts'

export interface AdmissionOptions extends BuiltInAdmissionOptions, MutatingPolicyOptions {
  transport: WebhookTransport
  convertTo?: WebhookOptions['convertTo']
  /** Checks of neighbours, such as RBAC's against escalation: run after the built-in plugins. */
  others?: readonly AdmissionPlugin[]
}

/** All plugins in upstream's order: built-in, policies, webhooks, and quota last, since it counts what will be written. */
export function allAdmission(options: AdmissionOptions): AdmissionPlugin[] {
  return [
    ...builtInAdmission(options),
    ...(options.others ?? []),
    mutatingAdmissionPolicies(options),
    mutatingWebhooks(options),
    validatingAdmissionPolicies(options),
    validatingWebhooks(options),
    resourceQuota(options),
  ]
}
