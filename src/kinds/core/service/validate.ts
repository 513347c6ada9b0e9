import type { Service, ServicePort, ServiceSpec } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { cidrMessage, ipFamily, ipMessage, parseCidr } from '../../meta/addresses.ts'
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from '../../meta/names.ts'
import { immutableMessage, invalidEach, oneOf, sameValue, validateLabels } from '../../meta/validate.ts'
import { validatePort } from '../pod/validate-probe.ts'

const types = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']
const protocols = ['TCP', 'UDP', 'SCTP']
/** Longest time that ClientIP affinity may last: one day. */
const maxAffinitySeconds = 86_400

const isHeadless = (spec: ServiceSpec) => spec.clusterIP === 'None'

/** Every rule on a Service (core/validation.ValidateService). Addresses are the allocator's to give. */
export function validateService({ spec }: Service): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong: FieldError[] = [
    ...oneOf('spec.type', spec.type, types),
    ...oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validatePorts(spec),
    ...validateAffinity(spec),
    ...validateAddresses(spec),
    ...validateTraffic(spec),
  ]
  switch (spec.type) {
    case 'LoadBalancer':
      if (isHeadless(spec)) {
        wrong.push(
          fieldErrors.invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services"),
        )
      }
      break
    case 'NodePort':
      if (isHeadless(spec)) {
        wrong.push(fieldErrors.invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for NodePort services"))
      }
      break
    case 'ExternalName': {
      if (spec.clusterIPs?.length || spec.clusterIP) {
        wrong.push(fieldErrors.forbidden('spec.clusterIPs', 'may not be set for ExternalName services'))
      }
      const name = (spec.externalName ?? '').replace(/\.$/, '')
      if (name === '') wrong.push(fieldErrors.required('spec.externalName'))
      else wrong.push(...invalidEach('spec.externalName', name, dns1123Subdomain(name.toLowerCase())))
      break
    }
  }
  return wrong
}

function validatePorts(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? []
  if (ports.length === 0) {
    const mayHaveNone = isHeadless(spec) || spec.type === 'ExternalName'
    return mayHaveNone ? [] : [fieldErrors.required('spec.ports')]
  }
  const wrong: FieldError[] = []
  const names = new Set<string>()
  const seen = new Set<string>()
  const nodePorts = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`
    wrong.push(...validatePortShape(port, ports.length > 1, names, at))
    if (port.nodePort && spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') {
      wrong.push(fieldErrors.forbidden(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
    }
    const key = `${port.protocol}/${port.port}`
    if (seen.has(key)) wrong.push(fieldErrors.duplicate(at, { port: port.port, protocol: port.protocol }))
    seen.add(key)
    if (!port.nodePort) continue
    const nodeKey = `${port.protocol}/${port.nodePort}`
    if (nodePorts.has(nodeKey)) wrong.push(fieldErrors.duplicate(`${at}.nodePort`, port.nodePort))
    nodePorts.add(nodeKey)
  }
  return wrong
}

function validatePortShape(port: ServicePort, needsName: boolean, names: Set<string>, path: string): FieldError[] {
  const wrong: FieldError[] = []
  if (!port.name) {
    if (needsName) wrong.push(fieldErrors.required(`${path}.name`))
  } else {
    wrong.push(...invalidEach(`${path}.name`, port.name, dns1123Label(port.name)))
    if (names.has(port.name)) wrong.push(fieldErrors.duplicate(`${path}.name`, port.name))
    names.add(port.name)
  }
  wrong.push(
    ...invalidEach(`${path}.port`, port.port ?? 0, portNumber(port.port ?? 0)),
    ...oneOf(`${path}.protocol`, port.protocol, protocols),
    ...validatePort(port.targetPort ?? 0, `${path}.targetPort`),
  )
  if (port.appProtocol)
    wrong.push(...invalidEach(`${path}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol)))
  if (port.nodePort) wrong.push(...invalidEach(`${path}.nodePort`, port.nodePort, portNumber(port.nodePort)))
  return wrong
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: ServiceSpec): FieldError[] {
  const at = 'spec.sessionAffinityConfig'
  if (sessionAffinity === 'None') {
    return sessionAffinityConfig ? [fieldErrors.forbidden(at, 'must not be set when session affinity is None')] : []
  }
  if (sessionAffinity !== 'ClientIP') return []
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds
  if (seconds === undefined) return [fieldErrors.required(at, 'when session affinity type is ClientIP')]
  return seconds <= 0 || seconds > maxAffinitySeconds
    ? [
        fieldErrors.invalid(
          `${at}.clientIP.timeoutSeconds`,
          seconds,
          `must be greater than 0 and less than ${maxAffinitySeconds}`,
        ),
      ]
    : []
}

function validateAddresses(spec: ServiceSpec): FieldError[] {
  const wrong: FieldError[] = []
  const ips = spec.clusterIPs ?? []
  if (ips.length > 0 && spec.clusterIP !== ips[0]) {
    wrong.push(fieldErrors.invalid('spec.clusterIPs', ips, 'first value must match `clusterIP`'))
  }
  if (ips.length > 2) wrong.push(fieldErrors.invalid('spec.clusterIPs', ips, 'may only hold up to 2 values'))
  for (const [index, ip] of ips.entries()) {
    if (ip === 'None' ? index > 0 : ip !== '' && ipFamily(ip) === 0) {
      wrong.push(
        fieldErrors.invalid(
          `spec.clusterIPs[${index}]`,
          ip,
          ip === 'None' ? "must be empty when `clusterIPs` is 'None'" : ipMessage,
        ),
      )
    }
  }
  if (ips.length === 0 && spec.clusterIP && spec.clusterIP !== 'None' && ipFamily(spec.clusterIP) === 0) {
    wrong.push(fieldErrors.invalid('spec.clusterIPs[0]', spec.clusterIP, ipMessage))
  }
  if (spec.ipFamilyPolicy) {
    wrong.push(
      ...oneOf('spec.ipFamilyPolicy', spec.ipFamilyPolicy, ['SingleStack', 'PreferDualStack', 'RequireDualStack']),
    )
  }
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    wrong.push(...oneOf(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6']))
    if (spec.ipFamilies?.indexOf(family) !== index)
      wrong.push(fieldErrors.duplicate(`spec.ipFamilies[${index}]`, family))
  }
  for (const [index, ip] of (spec.externalIPs ?? []).entries()) {
    const at = `spec.externalIPs[${index}]`
    if (ipFamily(ip) === 0) wrong.push(fieldErrors.invalid(at, ip, ipMessage))
    else if (ip === '0.0.0.0' || ip === '::') wrong.push(fieldErrors.invalid(at, ip, `may not be unspecified (${ip})`))
    else if (ip.startsWith('127.') || ip === '::1')
      wrong.push(fieldErrors.invalid(at, ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'))
    else if (ip.startsWith('169.254.'))
      wrong.push(fieldErrors.invalid(at, ip, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'))
  }
  return wrong
}

function validateTraffic(spec: ServiceSpec): FieldError[] {
  const wrong: FieldError[] = []
  const isBalancer = spec.type === 'LoadBalancer'
  const isReachable =
    isBalancer || spec.type === 'NodePort' || (spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0)
  if (spec.externalTrafficPolicy) {
    if (!isReachable) {
      wrong.push(
        fieldErrors.invalid(
          'spec.externalTrafficPolicy',
          spec.externalTrafficPolicy,
          'may only be set for externally-accessible services',
        ),
      )
    } else wrong.push(...oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local']))
  } else if (isReachable)
    wrong.push(fieldErrors.required('spec.externalTrafficPolicy', 'for externally-accessible services'))
  if (spec.type !== 'ExternalName') {
    wrong.push(...oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']))
  }
  if (spec.trafficDistribution) {
    wrong.push(
      ...oneOf('spec.trafficDistribution', spec.trafficDistribution, [
        'PreferClose',
        'PreferSameNode',
        'PreferSameZone',
      ]),
    )
  }
  if (spec.healthCheckNodePort && !(isBalancer && spec.externalTrafficPolicy === 'Local')) {
    wrong.push(
      fieldErrors.invalid(
        'spec.healthCheckNodePort',
        spec.healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    )
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !isBalancer) {
    wrong.push(
      fieldErrors.forbidden('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'"),
    )
  }
  if (spec.loadBalancerClass) {
    if (!isBalancer)
      wrong.push(fieldErrors.forbidden('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'"))
    wrong.push(...invalidEach('spec.loadBalancerClass', spec.loadBalancerClass, qualifiedName(spec.loadBalancerClass)))
  }
  if (spec.loadBalancerSourceRanges?.length) {
    if (!isBalancer)
      wrong.push(
        fieldErrors.forbidden('spec.loadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"),
      )
    for (const [index, range] of spec.loadBalancerSourceRanges.entries()) {
      if (!parseCidr(range.trim()))
        wrong.push(fieldErrors.invalid(`spec.loadBalancerSourceRanges[${index}]`, range, cidrMessage))
    }
  }
  return wrong
}

const needsClusterIp = (spec: ServiceSpec) => spec.type !== 'ExternalName'

/** A Service keeps its address for as long as it has a type that needs one. */
export function validateServiceUpdate({ spec: next }: Service, { spec: before }: Service): FieldError[] {
  if (!next || !before) return []
  const wrong: FieldError[] = []
  if (needsClusterIp(next) && needsClusterIp(before) && before.clusterIP && next.clusterIP !== before.clusterIP) {
    wrong.push(
      fieldErrors.invalid('spec.clusterIPs[0]', next.clusterIPs ?? [next.clusterIP ?? ''], 'may not change once set'),
    )
  }
  const bothBalance = next.type === 'LoadBalancer' && before.type === 'LoadBalancer'
  if (bothBalance && (next.loadBalancerClass ?? '') !== (before.loadBalancerClass ?? '')) {
    wrong.push(fieldErrors.invalid('spec.loadBalancerClass', next.loadBalancerClass ?? null, 'may not change once set'))
  }
  const first = before.ipFamilies?.[0]
  if (needsClusterIp(next) && needsClusterIp(before) && first && !sameValue(next.ipFamilies?.[0], first)) {
    wrong.push(fieldErrors.invalid('spec.ipFamilies[0]', next.ipFamilies?.[0] ?? null, immutableMessage))
  }
  return wrong
}
