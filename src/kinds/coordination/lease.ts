import type { Lease } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { nonNegative } from '../meta/validate.ts'
import { traits } from '../traits.ts'

function validateLease({ spec = {} }: Lease): FieldError[] {
  const wrong: FieldError[] = []
  const { leaseDurationSeconds, leaseTransitions } = spec
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    wrong.push(fieldErrors.invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'))
  }
  if (leaseTransitions !== undefined) wrong.push(...nonNegative('spec.leaseTransitions', leaseTransitions))
  if (spec.preferredHolder && !spec.strategy) {
    wrong.push(fieldErrors.forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined'))
  }
  return wrong
}

/** Whoever holds a lease must be the only one: each write of it is a decision. */
export const leaseTraits = traits<Lease>({
  group: 'coordination.k8s.io',
  resource: 'leases',
  decided: true,
  columns: [nameColumn, column<Lease>('Holder', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn],
  strategy: { validate: validateLease },
})
