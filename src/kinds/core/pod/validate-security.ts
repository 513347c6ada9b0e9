import type { PodSpec, SecurityContext } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { oneOf } from '../../meta/validate.ts'

const maxId = 2 ** 31 - 1
const idMessage = `must be between 0 and ${maxId}, inclusive`

function validateId(value: number | undefined, path: string): FieldError[] {
  return value !== undefined && (value < 0 || value > maxId) ? [fieldErrors.invalid(path, value, idMessage)] : []
}

interface Profile {
  type: string
  localhostProfile?: string
}

function validateProfile(profile: Profile | undefined, path: string): FieldError[] {
  if (!profile) return []
  const wrong = oneOf(`${path}.type`, profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined'])
  if (profile.type === 'Localhost') {
    if (!profile.localhostProfile) {
      wrong.push(fieldErrors.required(`${path}.localhostProfile`, 'must be set when profile type is Localhost'))
    }
  } else if (profile.localhostProfile) {
    wrong.push(
      fieldErrors.invalid(
        `${path}.localhostProfile`,
        profile.localhostProfile,
        'can only be set when profile type is Localhost',
      ),
    )
  }
  return wrong
}

/** The security context of a whole pod, and what shares namespaces with the host. */
export function validatePodSecurity(spec: PodSpec, path: string): FieldError[] {
  const context = spec.securityContext
  const at = `${path}.securityContext`
  const wrong: FieldError[] = []
  if (spec.shareProcessNamespace && spec.hostPID) {
    wrong.push(
      fieldErrors.invalid(
        `${path}.shareProcessNamespace`,
        true,
        'ShareProcessNamespace and HostPID cannot both be enabled',
      ),
    )
  }
  if (spec.hostUsers === false) {
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
      if (spec[field]) wrong.push(fieldErrors.forbidden(`${path}.${field}`, 'when `pod.Spec.HostUsers` is false'))
    }
  }
  if (!context) return wrong
  wrong.push(
    ...validateId(context.fsGroup, `${at}.fsGroup`),
    ...validateId(context.runAsUser, `${at}.runAsUser`),
    ...validateId(context.runAsGroup, `${at}.runAsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((group, index) =>
      validateId(group, `${at}.supplementalGroups[${index}]`),
    ),
    ...validateProfile(context.seccompProfile, `${at}.seccompProfile`),
    ...validateProfile(context.appArmorProfile, `${at}.appArmorProfile`),
    ...oneOf(`${at}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['OnRootMismatch', 'Always'], false),
    ...oneOf(`${at}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict'], false),
    ...oneOf(`${at}.seLinuxChangePolicy`, context.seLinuxChangePolicy, ['MountOption', 'Recursive'], false),
  )
  const seen = new Set<string>()
  for (const [index, { name }] of (context.sysctls ?? []).entries()) {
    const field = `${at}.sysctls[${index}].name`
    if (!name) wrong.push(fieldErrors.required(field))
    else if (name.length > 253 || !sysctlPattern.test(name)) {
      wrong.push(
        fieldErrors.invalid(field, name, `must have at most 253 characters and match regex ${sysctlPattern.source}`),
      )
    } else if (seen.has(name)) wrong.push(fieldErrors.duplicate(field, name))
    seen.add(name)
  }
  return wrong
}

const sysctlPattern = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/

/** The security context of one container. */
export function validateContainerSecurity(
  context: SecurityContext | undefined,
  hostUsers: boolean | undefined,
  path: string,
): FieldError[] {
  if (!context) return []
  const wrong = [
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
    ...validateProfile(context.seccompProfile, `${path}.seccompProfile`),
    ...validateProfile(context.appArmorProfile, `${path}.appArmorProfile`),
    ...oneOf(`${path}.procMount`, context.procMount, ['Default', 'Unmasked'], false),
  ]
  if (context.procMount === 'Unmasked' && hostUsers !== false) {
    wrong.push(
      fieldErrors.invalid(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`'),
    )
  }
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged) {
      wrong.push(
        fieldErrors.invalid(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
      )
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
      wrong.push(
        fieldErrors.invalid(
          path,
          context,
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      )
    }
  }
  return wrong
}
