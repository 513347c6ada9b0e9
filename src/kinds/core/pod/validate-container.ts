import type { Container, ContainerPort, EphemeralContainer, PodSpec, VolumeMount } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { dns1123Label, portName, portNumber } from '../../meta/names.ts'
import { invalidEach, oneOf } from '../../meta/validate.ts'
import { validateEnv } from './validate-env.ts'
import { validateLifecycle, validateProbe } from './validate-probe.ts'
import { validateResources } from './validate-resources.ts'
import { validateContainerSecurity } from './validate-security.ts'
import { relativePath } from './volume-paths.ts'

const maxRestartRules = 20
const maxExitCodes = 255

/** `spec.containers`: at least one, each by itself, and their host ports together. */
export function validateContainers(spec: PodSpec, volumes: Set<string>, path: string): FieldError[] {
  const containers = spec.containers ?? []
  if (containers.length === 0) return [fieldErrors.required(path)]
  const names = new Set<string>()
  const hostPorts = new Set<string>()
  const wrong: FieldError[] = []
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`
    wrong.push(...validateName(container.name, names, at), ...validateContainer(container, spec, volumes, at))
    wrong.push(...validateProbes(container, spec, at), ...validateHostPorts(container.ports, hostPorts, `${at}.ports`))
    wrong.push(...validateRestartRules(container, at))
  }
  return wrong
}

/** `spec.initContainers`: those that restart always are sidecars and may have probes and hooks. */
export function validateInitContainers(spec: PodSpec, volumes: Set<string>, path: string): FieldError[] {
  const names = new Set((spec.containers ?? []).map(({ name }) => name))
  const wrong: FieldError[] = []
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const at = `${path}[${index}]`
    wrong.push(...validateName(container.name, names, at), ...validateContainer(container, spec, volumes, at))
    wrong.push(...validateHostPorts(container.ports, new Set(), `${at}.ports`), ...validateRestartRules(container, at))
    if (container.restartPolicy === 'Always') {
      wrong.push(...validateProbes(container, spec, at))
      continue
    }
    for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[field]) {
        wrong.push(
          fieldErrors.forbidden(`${at}.${field}`, 'may not be set for init containers without restartPolicy=Always'),
        )
      }
    }
  }
  return wrong
}

/** Fields that make no sense in a container that is only looked into. */
const notInEphemeral = [
  'ports',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'restartPolicy',
] as const

export function validateEphemeralContainers(spec: PodSpec, volumes: Set<string>, path: string): FieldError[] {
  const others = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name)
  const names = new Set(others)
  const wrong: FieldError[] = []
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = `${path}[${index}]`
    wrong.push(...validateName(container.name, names, at), ...validateContainer(container, spec, volumes, at))
    const target = container.targetContainerName
    if (target && !others.includes(target)) wrong.push(fieldErrors.notFound(`${at}.targetContainerName`, target))
    for (const field of notInEphemeral) {
      if (container[field] !== undefined) {
        wrong.push(fieldErrors.forbidden(`${at}.${field}`, 'cannot be set for an Ephemeral Container'))
      }
    }
    if (container.resources && Object.keys(container.resources).length > 0) {
      wrong.push(fieldErrors.forbidden(`${at}.resources`, 'cannot be set for an Ephemeral Container'))
    }
    for (const [mountIndex, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath || mount.subPathExpr) {
        const field = mount.subPath ? 'subPath' : 'subPathExpr'
        wrong.push(
          fieldErrors.forbidden(
            `${at}.volumeMounts[${mountIndex}].${field}`,
            'cannot be set for an Ephemeral Container',
          ),
        )
      }
    }
  }
  return wrong
}

function validateName(name: string, names: Set<string>, path: string): FieldError[] {
  if (!name) return [fieldErrors.required(`${path}.name`)]
  const wrong = invalidEach(`${path}.name`, name, dns1123Label(name))
  if (names.has(name)) wrong.push(fieldErrors.duplicate(`${path}.name`, name))
  names.add(name)
  return wrong
}

function validateContainer(
  container: Container | EphemeralContainer,
  spec: PodSpec,
  volumes: Set<string>,
  path: string,
): FieldError[] {
  const wrong: FieldError[] = []
  const image = container.image ?? ''
  if (image === '') wrong.push(fieldErrors.required(`${path}.image`))
  else if (image.trim() !== image)
    wrong.push(fieldErrors.invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
  wrong.push(
    ...oneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...oneOf(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']),
    ...oneOf(`${path}.restartPolicy`, container.restartPolicy, ['Always', 'Never', 'OnFailure'], false),
    ...validatePorts(container.ports, spec.hostNetwork === true, `${path}.ports`),
    ...validateEnv(container, spec, path),
    ...validateMounts(container.volumeMounts, volumes, `${path}.volumeMounts`),
    ...validateContainerSecurity(container.securityContext, spec.hostUsers, `${path}.securityContext`),
    ...validateResources(container.resources ?? {}, `${path}.resources`, spec.resourceClaims ?? []),
  )
  const devices = new Set<string>()
  for (const [index, { name, devicePath }] of (container.volumeDevices ?? []).entries()) {
    const at = `${path}.volumeDevices[${index}]`
    if (!name) wrong.push(fieldErrors.required(`${at}.name`))
    else if (!volumes.has(name)) wrong.push(fieldErrors.notFound(`${at}.name`, name))
    if (!devicePath) wrong.push(fieldErrors.required(`${at}.devicePath`))
    else if (devices.has(devicePath)) wrong.push(fieldErrors.invalid(`${at}.devicePath`, devicePath, 'must be unique'))
    devices.add(devicePath)
  }
  for (const [index, { resourceName, restartPolicy }] of (container.resizePolicy ?? []).entries()) {
    const at = `${path}.resizePolicy[${index}]`
    wrong.push(
      ...oneOf(`${at}.resourceName`, resourceName, ['cpu', 'memory']),
      ...oneOf(`${at}.restartPolicy`, restartPolicy, ['NotRequired', 'RestartContainer']),
    )
  }
  return wrong
}

/** When a container is started again by its exit code (KEP-5307). */
function validateRestartRules(
  { restartPolicy, restartPolicyRules: rules = [] }: Container,
  path: string,
): FieldError[] {
  if (rules.length === 0) return []
  const wrong: FieldError[] = []
  if (!restartPolicy) {
    wrong.push(fieldErrors.required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'))
  }
  const at = `${path}.restartPolicyRules`
  if (rules.length > maxRestartRules) wrong.push(fieldErrors.tooMany(at, rules.length, maxRestartRules))
  for (const [index, { action, exitCodes }] of rules.entries()) {
    wrong.push(...oneOf(`${at}[${index}].action`, action, ['Restart', 'RestartAllContainers']))
    if (!exitCodes) {
      wrong.push(fieldErrors.required(`${at}[${index}].exitCodes`, 'must be specified'))
      continue
    }
    wrong.push(...oneOf(`${at}[${index}].exitCodes.operator`, exitCodes.operator, ['In', 'NotIn']))
    const count = exitCodes.values?.length ?? 0
    const values = `${at}[${index}].exitCodes.values`
    if (count === 0) wrong.push(fieldErrors.required(values, 'must specify at least one exit code'))
    if (count > maxExitCodes) wrong.push(fieldErrors.tooMany(values, count, maxExitCodes))
  }
  return wrong
}

function validateProbes(container: Container, spec: PodSpec, path: string): FieldError[] {
  const grace = spec.terminationGracePeriodSeconds
  const wrong = [
    ...validateLifecycle(container.lifecycle, grace, `${path}.lifecycle`),
    ...validateProbe(container.livenessProbe, `${path}.livenessProbe`),
    ...validateProbe(container.readinessProbe, `${path}.readinessProbe`),
    ...validateProbe(container.startupProbe, `${path}.startupProbe`),
  ]
  for (const name of ['livenessProbe', 'startupProbe'] as const) {
    const times = container[name]?.successThreshold
    if (times !== undefined && times !== 1)
      wrong.push(fieldErrors.invalid(`${path}.${name}.successThreshold`, times, 'must be 1'))
  }
  if (container.readinessProbe?.terminationGracePeriodSeconds !== undefined) {
    wrong.push(
      fieldErrors.invalid(
        `${path}.readinessProbe.terminationGracePeriodSeconds`,
        container.readinessProbe.terminationGracePeriodSeconds,
        'must not be set for readinessProbes',
      ),
    )
  }
  return wrong
}

function validatePorts(ports: readonly ContainerPort[] | undefined, hostNetwork: boolean, path: string): FieldError[] {
  const names = new Set<string>()
  const wrong: FieldError[] = []
  for (const [index, { name, containerPort, hostPort, protocol }] of (ports ?? []).entries()) {
    const at = `${path}[${index}]`
    if (name) {
      const errors = invalidEach(`${at}.name`, name, portName(name))
      wrong.push(...errors)
      if (errors.length === 0 && names.has(name)) wrong.push(fieldErrors.duplicate(`${at}.name`, name))
      names.add(name)
    }
    if (!containerPort) wrong.push(fieldErrors.required(`${at}.containerPort`))
    else wrong.push(...invalidEach(`${at}.containerPort`, containerPort, portNumber(containerPort)))
    if (hostPort) {
      wrong.push(...invalidEach(`${at}.hostPort`, hostPort, portNumber(hostPort)))
      if (hostNetwork && hostPort !== containerPort) {
        wrong.push(
          fieldErrors.invalid(`${at}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'),
        )
      }
    }
    wrong.push(...oneOf(`${at}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']))
  }
  return wrong
}

/** Two containers of a pod cannot have the same port of the host. */
function validateHostPorts(
  ports: readonly ContainerPort[] | undefined,
  taken: Set<string>,
  path: string,
): FieldError[] {
  const wrong: FieldError[] = []
  for (const [index, { hostPort, hostIP = '', protocol }] of (ports ?? []).entries()) {
    if (!hostPort) continue
    const key = `${protocol}/${hostIP}/${hostPort}`
    if (taken.has(key)) wrong.push(fieldErrors.duplicate(`${path}[${index}].hostPort`, key))
    taken.add(key)
  }
  return wrong
}

function validateMounts(mounts: readonly VolumeMount[] | undefined, volumes: Set<string>, path: string): FieldError[] {
  const paths = new Set<string>()
  const wrong: FieldError[] = []
  for (const [index, mount] of (mounts ?? []).entries()) {
    const at = `${path}[${index}]`
    if (!mount.name) wrong.push(fieldErrors.required(`${at}.name`))
    else if (!volumes.has(mount.name)) wrong.push(fieldErrors.notFound(`${at}.name`, mount.name))
    if (!mount.mountPath) wrong.push(fieldErrors.required(`${at}.mountPath`))
    else if (paths.has(mount.mountPath))
      wrong.push(fieldErrors.invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'))
    paths.add(mount.mountPath)
    if (mount.subPath) wrong.push(...relativePath(mount.subPath, `${at}.subPath`))
    if (mount.subPathExpr) {
      if (mount.subPath) {
        wrong.push(
          fieldErrors.invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
        )
      }
      wrong.push(...relativePath(mount.subPathExpr, `${at}.subPathExpr`))
    }
    wrong.push(
      ...oneOf(`${at}.mountPropagation`, mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None'], false),
    )
    if (mount.recursiveReadOnly) {
      wrong.push(...oneOf(`${at}.recursiveReadOnly`, mount.recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']))
      if (mount.recursiveReadOnly !== 'Disabled' && !mount.readOnly) {
        wrong.push(fieldErrors.forbidden(`${at}.recursiveReadOnly`, 'may only be specified when readOnly is true'))
      }
    }
  }
  return wrong
}
