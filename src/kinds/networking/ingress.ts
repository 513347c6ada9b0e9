import type { HTTPIngressPath, Ingress, IngressBackend, IngressClass } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { ipFamily } from '../meta/addresses.ts'
import { dns1035Label, dns1123Label, dns1123Subdomain, pathSegment, portName, portNumber } from '../meta/names.ts'
import { immutable, invalidEach, oneOf } from '../meta/validate.ts'
import { traits } from '../traits.ts'

function hostsOf({ spec }: Ingress): string {
  const hosts = [...new Set((spec?.rules ?? []).map(({ host }) => host ?? '').filter((host) => host !== ''))]
  if (hosts.length === 0) return '*'
  return hosts.length > 3 ? `${hosts.slice(0, 3).join(',')} + ${hosts.length - 3} more...` : hosts.join(',')
}

const addressOf = ({ status }: Ingress) =>
  (status?.loadBalancer?.ingress ?? [])
    .map(({ ip, hostname }) => ip || hostname || '')
    .filter((one) => one !== '')
    .join(',')

function validateBackend(backend: IngressBackend, path: string): FieldError[] {
  const { service, resource } = backend
  if (service && resource) {
    return [fieldErrors.invalid(path, '', 'cannot set both resource and service backends')]
  }
  if (!service && !resource) return [fieldErrors.required(path, 'resource or service backend is required')]
  const wrong: FieldError[] = []
  if (service) {
    const at = `${path}.service`
    if (!service.name) wrong.push(fieldErrors.required(`${at}.name`))
    else wrong.push(...invalidEach(`${at}.name`, service.name, dns1035Label(service.name)))
    const { name, number } = service.port ?? {}
    if (name && number) wrong.push(fieldErrors.invalid(`${at}.port`, '', 'cannot set both port name & port number'))
    else if (name) wrong.push(...invalidEach(`${at}.port.name`, name, portName(name)))
    else if (number) wrong.push(...invalidEach(`${at}.port.number`, number, portNumber(number)))
    else wrong.push(fieldErrors.required(at, 'port name or number is required'))
  }
  if (resource) {
    if (!resource.kind) wrong.push(fieldErrors.required(`${path}.resource.kind`))
    if (!resource.name) wrong.push(fieldErrors.required(`${path}.resource.name`))
  }
  return wrong
}

const forbiddenInPath = ['//', '/./', '/../', '%2f', '%2F']

function validatePath({ path: value, pathType, backend }: HTTPIngressPath, path: string): FieldError[] {
  if (!pathType) return [fieldErrors.required(`${path}.pathType`, 'pathType must be specified')]
  const wrong: FieldError[] = []
  const at = `${path}.path`
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!value?.startsWith('/')) wrong.push(fieldErrors.invalid(at, value ?? '', 'must be an absolute path'))
    for (const part of forbiddenInPath) {
      if (value?.includes(part)) wrong.push(fieldErrors.invalid(at, value, `must not contain '${part}'`))
    }
    for (const end of ['/..', '/.']) {
      if (value?.endsWith(end)) wrong.push(fieldErrors.invalid(at, value, `cannot end with '${end}'`))
    }
  } else if (pathType === 'ImplementationSpecific') {
    if (value && !value.startsWith('/')) wrong.push(fieldErrors.invalid(at, value, 'must be an absolute path'))
  } else
    wrong.push(fieldErrors.notSupported(`${path}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']))
  return [...wrong, ...validateBackend(backend ?? {}, `${path}.backend`)]
}

function validateHost(host: string, path: string): FieldError[] {
  if (ipFamily(host) !== 0) return [fieldErrors.invalid(path, host, 'must be a DNS name, not an IP address')]
  // A wildcard stands for the first label only.
  return invalidEach(path, host, dns1123Subdomain(host.startsWith('*.') ? host.slice(2) : host))
}

function validateIngress({ metadata, spec = {} }: Ingress): FieldError[] {
  const wrong: FieldError[] = []
  if (!spec.rules?.length && !spec.defaultBackend) {
    wrong.push(fieldErrors.invalid('spec', spec.rules ?? [], 'either `defaultBackend` or `rules` must be specified'))
  }
  if (spec.defaultBackend) wrong.push(...validateBackend(spec.defaultBackend, 'spec.defaultBackend'))
  for (const [index, { hosts }] of (spec.tls ?? []).entries()) {
    for (const [position, host] of (hosts ?? []).entries()) {
      wrong.push(...validateHost(host, `spec.tls[${index}].hosts[${position}]`))
    }
  }
  for (const [index, { host, http }] of (spec.rules ?? []).entries()) {
    const at = `spec.rules[${index}]`
    if (host) wrong.push(...validateHost(host, `${at}.host`))
    if (!http) continue
    if (!http.paths?.length) wrong.push(fieldErrors.required(`${at}.http.paths`))
    for (const [position, one] of (http.paths ?? []).entries()) {
      wrong.push(...validatePath(one, `${at}.http.paths[${position}]`))
    }
  }
  if (spec.ingressClassName !== undefined) {
    wrong.push(...invalidEach('spec.ingressClassName', spec.ingressClassName, dns1123Subdomain(spec.ingressClassName)))
    if (
      metadata.annotations?.[classAnnotation] !== undefined &&
      metadata.annotations[classAnnotation] !== spec.ingressClassName
    ) {
      wrong.push(
        fieldErrors.invalid(
          `metadata.annotations[${classAnnotation}]`,
          metadata.annotations[classAnnotation],
          'must match `ingressClassName` when both are specified',
        ),
      )
    }
  }
  return wrong
}

const classAnnotation = 'kubernetes.io/ingress.class'

export const ingressTraits = traits<Ingress>({
  group: 'networking.k8s.io',
  resource: 'ingresses',
  shortNames: ['ing'],
  hasGeneration: true,
  columns: [
    nameColumn,
    column<Ingress>(
      'Class',
      ({ spec, metadata }) => spec?.ingressClassName ?? metadata.annotations?.[classAnnotation] ?? '<none>',
    ),
    column<Ingress>('Hosts', hostsOf),
    column<Ingress>('Address', addressOf),
    column<Ingress>('Ports', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80')),
    ageColumn,
  ],
  strategy: { validate: validateIngress },
})

function parametersOf({ spec }: IngressClass): string {
  const parameters = spec?.parameters
  if (!parameters) return '<none>'
  const { apiGroup, kind, name } = parameters
  return apiGroup ? `${kind}.${apiGroup}/${name}` : `${kind}/${name}`
}

function validateClass({ spec = {} }: IngressClass): FieldError[] {
  const { controller = '', parameters } = spec
  const wrong: FieldError[] = []
  const at = 'spec.controller'
  if (controller === '') wrong.push(fieldErrors.required(at))
  else if (controller.length > 250) wrong.push(fieldErrors.tooLong(at, 250))
  else if (!/^[^/]+\/[^/]+/.test(controller) || dns1123Subdomain(controller.split('/')[0] ?? '').length > 0) {
    wrong.push(fieldErrors.invalid(at, controller, 'must be a domain-prefixed path (such as "acme.io/foo")'))
  }
  if (!parameters) return wrong
  const path = 'spec.parameters'
  if (!parameters.kind) wrong.push(fieldErrors.required(`${path}.kind`))
  if (!parameters.name) wrong.push(fieldErrors.required(`${path}.name`))
  else wrong.push(...invalidEach(`${path}.name`, parameters.name, pathSegment(parameters.name)))
  wrong.push(...oneOf(`${path}.scope`, parameters.scope, ['Cluster', 'Namespace']))
  if (parameters.scope === 'Namespace') {
    if (!parameters.namespace)
      wrong.push(fieldErrors.required(`${path}.namespace`, '`parameters.scope` is set to "Namespace"'))
    else wrong.push(...invalidEach(`${path}.namespace`, parameters.namespace, dns1123Label(parameters.namespace)))
  } else if (parameters.namespace !== undefined) {
    wrong.push(fieldErrors.forbidden(`${path}.namespace`, '`parameters.scope` is set to "Cluster"'))
  }
  return wrong
}

export const ingressClassTraits = traits<IngressClass>({
  group: 'networking.k8s.io',
  resource: 'ingressclasses',
  hasGeneration: true,
  columns: [
    nameColumn,
    column<IngressClass>('Controller', ({ spec }) => spec?.controller ?? ''),
    column<IngressClass>('Parameters', parametersOf),
    ageColumn,
  ],
  strategy: {
    applyDefaults({ spec }) {
      if (spec?.parameters) spec.parameters.scope ||= 'Cluster'
    },
    validate: validateClass,
    validateUpdate: ({ spec }, old) => immutable('spec.controller', spec?.controller, old.spec?.controller),
  },
})
