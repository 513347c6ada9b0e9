import type { Service } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { fieldErrors, type FieldError } from '../api/status-error.ts'

/**
 * What a Service asks of address families that this cluster, which has one range of cluster IPs, cannot give. Headless ones
 * without a selector may say what they like, as upstream lets them: nothing is allocated for them. What was stored before is
 * not asked for again.
 */
export function familyErrors(object: KubeObject, stored: KubeObject | undefined): FieldError[] {
  const { spec = {} } = object as Service
  if (stored && asked(stored as Service) === asked(object as Service)) return []
  const isHeadlessByHand = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0
  if (spec.type === 'ExternalName' || isHeadlessByHand) return []
  const wrong = (spec.ipFamilies ?? []).flatMap((family, index) =>
    family === 'IPv6'
      ? [fieldErrors.invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster')]
      : [],
  )
  if (spec.ipFamilyPolicy === 'RequireDualStack')
    wrong.push(
      fieldErrors.invalid(
        'spec.ipFamilyPolicy',
        spec.ipFamilyPolicy,
        'this cluster is not configured for dual-stack services',
      ),
    )
  return wrong
}

const asked = ({ spec }: Service): string => JSON.stringify([spec?.type, spec?.ipFamilies, spec?.ipFamilyPolicy])
