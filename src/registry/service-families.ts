import type { Service, ServiceSpec } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { fieldErrors, type FieldError } from '../api/status-error.ts'

type Family = 'IPv4' | 'IPv6'
const other = (family: Family): Family => (family === 'IPv4' ? 'IPv6' : 'IPv4')
const familyOf = (ip: string): Family => (ip.includes(':') ? 'IPv6' : 'IPv4')

const isHeadless = (spec: ServiceSpec): boolean => spec.clusterIP === 'None'
const isByHand = (spec: ServiceSpec): boolean => isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0

/**
 * Fills in families and policy as core/service's allocator does (KEP-563): the families of given addresses, else IPv4; a
 * second one where the policy asks for it and the cluster has it. A Service that goes back to one family loses the second.
 */
export function completeFamilies(spec: ServiceSpec, before: ServiceSpec | undefined, isDualStack: boolean): void {
  if (spec.type === 'ExternalName') return
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP]
  if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0]
  const given = isHeadless(spec) ? [] : (spec.clusterIPs ?? []).filter((ip) => ip !== '').map(familyOf)
  if (before && before.type !== 'ExternalName') {
    if (!spec.ipFamilies?.length) spec.ipFamilies = before.ipFamilies
    spec.ipFamilyPolicy ??= before.ipFamilyPolicy
  }
  if (!spec.ipFamilies?.length) spec.ipFamilies = given.length > 0 ? [...new Set(given)] : ['IPv4']
  if (isByHand(spec)) {
    spec.ipFamilyPolicy ??= 'RequireDualStack'
    if (spec.ipFamilyPolicy !== 'SingleStack') addSecond(spec)
    return
  }
  spec.ipFamilyPolicy ??= 'SingleStack'
  if (spec.ipFamilyPolicy === 'SingleStack') dropSecond(spec, before)
  else if (isDualStack) addSecond(spec)
}

function addSecond(spec: ServiceSpec): void {
  const [first] = spec.ipFamilies as Family[]
  if (first && spec.ipFamilies?.length === 1) spec.ipFamilies = [first, other(first)]
}

/** What the old state had twice, and nobody changed in this update. */
function dropSecond(spec: ServiceSpec, before: ServiceSpec | undefined): void {
  if (before?.ipFamilies?.length !== 2) return
  if (same(spec.ipFamilies, before.ipFamilies)) spec.ipFamilies = spec.ipFamilies?.slice(0, 1)
  if (same(spec.clusterIPs, before.clusterIPs)) spec.clusterIPs = spec.clusterIPs?.slice(0, 1)
}

/** What a Service asks of address families that this cluster cannot give. What was stored before is not asked for again. */
export function familyErrors(object: KubeObject, stored: KubeObject | undefined, isDualStack: boolean): FieldError[] {
  const { spec = {} } = object as Service
  if (stored && asked(stored as Service) === asked(object as Service)) return []
  if (spec.type === 'ExternalName') return []
  const wrong: FieldError[] = []
  const { ipFamilies = [], ipFamilyPolicy: policy = null, clusterIPs = [] } = spec
  const ips = isHeadless(spec) ? [] : clusterIPs
  if (policy === 'SingleStack') {
    const must = (what: string): FieldError =>
      fieldErrors.invalid(
        'spec.ipFamilyPolicy',
        policy,
        `must be RequireDualStack or PreferDualStack when multiple ${what} are specified`,
      )
    if (ips.length > 1) wrong.push(must('cluster IPs'))
    if (ipFamilies.length > 1) wrong.push(must('IP families'))
  }
  for (const [index, ip] of ips.entries()) {
    const family = ipFamilies[index]
    if (family && ip && familyOf(ip) !== family)
      wrong.push(
        fieldErrors.invalid(
          `spec.clusterIPs[${index}]`,
          ip,
          `expected an ${family} value as indicated by \`ipFamilies[${index}]\``,
        ),
      )
  }
  if (isDualStack || isByHand(spec)) return wrong
  for (const [index, family] of ipFamilies.entries())
    if (family === 'IPv6')
      wrong.push(fieldErrors.invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'))
  if (policy === 'RequireDualStack')
    wrong.push(
      fieldErrors.invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services'),
    )
  return wrong
}

const asked = ({ spec }: Service): string =>
  JSON.stringify([spec?.type, spec?.ipFamilies, spec?.ipFamilyPolicy, spec?.clusterIPs])

const same = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
  JSON.stringify(a) === JSON.stringify(b)
