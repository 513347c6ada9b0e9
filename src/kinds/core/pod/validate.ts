import type { Pod } from '../../../api/kinds.ts'
import type { FieldError } from '../../../api/status-error.ts'
import { validatePodSpec } from './validate-spec.ts'

export function validatePod(pod: Pod): FieldError[] {
  return validatePodSpec(pod.spec, 'spec')
}
