import type { PodSpec } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../meta/names.ts'
import { invalidEach, oneOf, validateLabels } from '../../meta/validate.ts'
import { validateContainers, validateEphemeralContainers, validateInitContainers } from './validate-container.ts'
import { validateDns, validateHostAliases } from './validate-dns.ts'
import { validateAffinity, validateTolerations, validateTopologySpread } from './validate-placement.ts'
import { validateResources } from './validate-resources.ts'
import { validatePodSecurity } from './validate-security.ts'
import { validateVolumes } from './validate-volumes.ts'

const maxInt32 = 2 ** 31 - 1

/** Every rule on the spec of a pod or of a template (core/validation.ValidatePodSpec). */
export function validatePodSpec(spec: PodSpec | undefined, path: string): FieldError[] {
  if (!spec) return [fieldErrors.required(path)]
  const volumes = validateVolumes(spec.volumes, `${path}.volumes`)
  const wrong: FieldError[] = [
    ...volumes.errors,
    ...validateContainers(spec, volumes.names, `${path}.containers`),
    ...validateInitContainers(spec, volumes.names, `${path}.initContainers`),
    ...validateEphemeralContainers(spec, volumes.names, `${path}.ephemeralContainers`),
    ...oneOf(`${path}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    ...oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validatePodSecurity(spec, path),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateTolerations(spec.tolerations, `${path}.tolerations`),
    ...validateTopologySpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`),
    ...validateDns(spec, path),
    ...validateHostAliases(spec.hostAliases, `${path}.hostAliases`),
    ...validateNames(spec, path),
  ]
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined && (deadline < 1 || deadline > maxInt32)) {
    wrong.push(
      fieldErrors.invalid(`${path}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'),
    )
  }
  if (spec.os) wrong.push(...oneOf(`${path}.os.name`, spec.os.name, ['linux', 'windows']))
  if (spec.preemptionPolicy) {
    wrong.push(...oneOf(`${path}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']))
  }
  for (const [index, gate] of (spec.readinessGates ?? []).entries()) {
    wrong.push(
      ...invalidEach(
        `${path}.readinessGates[${index}].conditionType`,
        gate.conditionType,
        qualifiedName(gate.conditionType),
      ),
    )
  }
  wrong.push(...validateGates(spec, path), ...validateClaims(spec, path))
  if (spec.overhead) wrong.push(...validateResources({ limits: spec.overhead }, `${path}.overhead`))
  if (spec.resources) wrong.push(...validateResources(spec.resources, `${path}.resources`))
  return wrong
}

function validateNames(spec: PodSpec, path: string): FieldError[] {
  const wrong: FieldError[] = []
  const check = (field: string, value: string | undefined, rule: (name: string) => string[]) => {
    if (value) wrong.push(...invalidEach(`${path}.${field}`, value, rule(value)))
  }
  check('serviceAccountName', spec.serviceAccountName, dns1123Subdomain)
  check('nodeName', spec.nodeName, dns1123Subdomain)
  check('priorityClassName', spec.priorityClassName, dns1123Subdomain)
  check('runtimeClassName', spec.runtimeClassName, dns1123Subdomain)
  check('schedulerName', spec.schedulerName, qualifiedName)
  check('hostname', spec.hostname, dns1123Label)
  check('subdomain', spec.subdomain, dns1123Label)
  check('hostnameOverride', spec.hostnameOverride, dns1123Subdomain)
  if (spec.hostnameOverride && spec.hostNetwork) {
    wrong.push(fieldErrors.forbidden(`${path}.hostnameOverride`, 'may not be specified when hostNetwork is true'))
  }
  if (spec.hostnameOverride && spec.setHostnameAsFQDN) {
    wrong.push(fieldErrors.forbidden(`${path}.hostnameOverride`, 'may not be specified when setHostnameAsFQDN is true'))
  }
  for (const [index, secret] of (spec.imagePullSecrets ?? []).entries()) {
    if (!secret.name) wrong.push(fieldErrors.required(`${path}.imagePullSecrets[${index}].name`))
  }
  return wrong
}

function validateGates(spec: PodSpec, path: string): FieldError[] {
  const wrong: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${index}]`
    if (!name) wrong.push(fieldErrors.required(at, 'must not be empty'))
    else wrong.push(...invalidEach(at, name, qualifiedName(name)))
    if (seen.has(name)) wrong.push(fieldErrors.duplicate(at, name))
    seen.add(name)
  }
  return wrong
}

function validateClaims(spec: PodSpec, path: string): FieldError[] {
  const wrong: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, claim] of (spec.resourceClaims ?? []).entries()) {
    const at = `${path}.resourceClaims[${index}]`
    if (!claim.name) wrong.push(fieldErrors.required(`${at}.name`))
    else if (seen.has(claim.name)) wrong.push(fieldErrors.duplicate(`${at}.name`, claim.name))
    else wrong.push(...invalidEach(`${at}.name`, claim.name, dns1123Label(claim.name)))
    seen.add(claim.name)
    if (claim.resourceClaimName && claim.resourceClaimTemplateName) {
      wrong.push(
        fieldErrors.invalid(
          at,
          claim,
          'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
        ),
      )
    }
    if (!claim.resourceClaimName && !claim.resourceClaimTemplateName) {
      wrong.push(
        fieldErrors.invalid(at, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'),
      )
    }
  }
  return wrong
}
