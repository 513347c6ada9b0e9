import type {
  Container,
  ContainerState,
  ContainerStatus,
  EnvVar,
  Pod,
  Probe,
  ResourceFieldSelector,
} from '../../../src/api/kinds.ts'
import { quantityMilliValue, quantityValue } from '../../../src/lib/quantity.ts'
import { fullTime, indent, sortedEntries } from './lines.ts'

export interface ContainerView {
  /** Absent for a pod template. */
  pod?: Pod
  statuses: readonly ContainerStatus[]
}

/** `Containers:` with each container below it. */
export function containerLines(title: string, containers: readonly Container[], view: ContainerView): string[] {
  const isTemplate = view.pod === undefined
  return [
    `${title}:`,
    ...containers.flatMap((container) => {
      const status = view.statuses.find((one) => one.name === container.name)
      const lines = oneContainer(container, status, isTemplate, view.pod)
      // kubectl sets the containers of a template one blank in, those of a pod two, and what is in them two more.
      return isTemplate ? [` ${container.name}:`, ...indent(1, lines)] : [`  ${container.name}:`, ...indent(2, lines)]
    }),
  ]
}

function oneContainer(
  container: Container,
  status: ContainerStatus | undefined,
  isTemplate: boolean,
  pod: Pod | undefined,
): string[] {
  const { resources } = container
  return [
    ...(isTemplate ? [] : [`Container ID:\t${status?.containerID ?? ''}`]),
    `Image:\t${container.image ?? ''}`,
    ...(isTemplate ? [] : [`Image ID:\t${status?.imageID ?? ''}`]),
    ...portLines(container),
    ...argumentLines('Command', container.command),
    ...argumentLines('Args', container.args),
    ...(status ? statusLines(status) : []),
    ...quantityLines('Limits', resources?.limits),
    ...quantityLines('Requests', resources?.requests),
    ...probeLine('Liveness', container.livenessProbe),
    ...probeLine('Readiness', container.readinessProbe),
    ...probeLine('Startup', container.startupProbe),
    ...environmentLines(container, pod),
    ...mountLines(container),
  ]
}

function portLines({ ports = [] }: Container): string[] {
  const title = ports.length > 1 ? 'Ports' : 'Port'
  const shown = ports.map((port) => `${port.containerPort}/${port.protocol ?? 'TCP'}`)
  const host = ports.map((port) => `${port.hostPort ?? 0}/${port.protocol ?? 'TCP'}`)
  return [`${title}:\t${shown.join(', ') || '<none>'}`, `Host ${title}:\t${host.join(', ') || '<none>'}`]
}

const argumentLines = (title: string, words: readonly string[] | undefined): string[] =>
  words && words.length > 0
    ? [`${title}:`, ...words.flatMap((word) => word.split('\n').map((line) => `  ${line}`))]
    : []

function statusLines(status: ContainerStatus): string[] {
  const { lastState } = status
  return [
    ...stateLines('State', status.state),
    ...(lastState && (lastState.terminated || lastState.running || lastState.waiting)
      ? stateLines('Last State', lastState)
      : []),
    `Ready:\t${status.ready ? 'True' : 'False'}`,
    `Restart Count:\t${status.restartCount ?? 0}`,
  ]
}

function stateLines(title: string, state: ContainerState | undefined): string[] {
  if (state?.running) return [`${title}:\tRunning`, `  Started:\t${fullTime(state.running.startedAt)}`]
  if (state?.terminated) {
    const { reason, message, exitCode, signal, startedAt, finishedAt } = state.terminated
    return [
      `${title}:\tTerminated`,
      ...(reason ? [`  Reason:\t${reason}`] : []),
      ...(message ? [`  Message:\t${message}`] : []),
      `  Exit Code:\t${exitCode}`,
      ...(signal ? [`  Signal:\t${signal}`] : []),
      `  Started:\t${fullTime(startedAt)}`,
      `  Finished:\t${fullTime(finishedAt)}`,
    ]
  }
  const reason = state?.waiting?.reason
  return [`${title}:\tWaiting`, ...(reason ? [`  Reason:\t${reason}`] : [])]
}

export const quantityLines = (title: string, list: Readonly<Record<string, string | number>> | undefined): string[] => {
  const entries = sortedEntries(list)
  return entries.length === 0 ? [] : [`${title}:`, ...entries.map(([name, quantity]) => `  ${name}:\t${quantity}`)]
}

function probeLine(title: string, probe: Probe | undefined): string[] {
  if (!probe) return []
  const attributes = `delay=${probe.initialDelaySeconds ?? 0}s timeout=${probe.timeoutSeconds ?? 0}s period=${probe.periodSeconds ?? 0}s #success=${probe.successThreshold ?? 0} #failure=${probe.failureThreshold ?? 0}`
  return [`${title}:\t${probeTarget(probe)} ${attributes}`]
}

function probeTarget(probe: Probe): string {
  if (probe.exec) return `exec [${(probe.exec.command ?? []).join(' ')}]`
  if (probe.httpGet) {
    const { scheme = 'HTTP', host = '', port, path = '' } = probe.httpGet
    return `http-get ${scheme.toLowerCase()}://${host}:${port}${path}`
  }
  if (probe.tcpSocket) return `tcp-socket ${probe.tcpSocket.host ?? ''}:${probe.tcpSocket.port}`
  if (probe.grpc) return `grpc <pod>:${probe.grpc.port} ${probe.grpc.service ?? ''}`
  return 'unknown'
}

function environmentLines(container: Container, pod: Pod | undefined): string[] {
  const sources = (container.envFrom ?? []).flatMap((from) => {
    const prefix = from.prefix ? ` with prefix '${from.prefix}'` : ''
    const source = from.configMapRef ?? from.secretRef
    if (!source) return []
    return [
      `  ${source.name}\t${from.configMapRef ? 'ConfigMap' : 'Secret'}${prefix}\tOptional: ${source.optional ?? false}`,
    ]
  })
  const variables = (container.env ?? []).flatMap((variable) => variableLines(variable, container, pod))
  return [
    ...(sources.length > 0 ? ['Environment Variables from:', ...sources] : []),
    ...(variables.length > 0 ? ['Environment:', ...indent(1, variables)] : ['Environment:\t<none>']),
  ]
}

function variableLines({ name, value = '', valueFrom }: EnvVar, container: Container, pod: Pod | undefined): string[] {
  if (!valueFrom) return value.split('\n').map((line, index) => (index === 0 ? `${name}:\t${line}` : `\t${line}`))
  const { fieldRef, resourceFieldRef, secretKeyRef, configMapKeyRef, fileKeyRef } = valueFrom
  if (fieldRef) {
    const known = pod && fieldRef.fieldPath === 'metadata.name' ? pod.metadata.name : undefined
    return [
      `${name}:\t${known ?? fieldOfPod(pod, fieldRef.fieldPath)} (${fieldRef.apiVersion ?? 'v1'}:${fieldRef.fieldPath})`,
    ]
  }
  if (resourceFieldRef)
    return [`${name}:\t${resourceValue(resourceFieldRef, container)} (${resourceFieldRef.resource})`]
  if (secretKeyRef)
    return [
      `${name}:\t<set to the key '${secretKeyRef.key}' in secret '${secretKeyRef.name}'>\tOptional: ${secretKeyRef.optional ?? false}`,
    ]
  if (configMapKeyRef)
    return [
      `${name}:\t<set to the key '${configMapKeyRef.key}' of config map '${configMapKeyRef.name}'>\tOptional: ${configMapKeyRef.optional ?? false}`,
    ]
  if (fileKeyRef)
    return [
      `${name}:\t<set to the key '${fileKeyRef.key}' of file '${fileKeyRef.path}' in volume '${fileKeyRef.volumeName}'>\tOptional: ${fileKeyRef.optional ?? false}`,
    ]
  return [`${name}:\t`]
}

/** What the downward API gives for a container's requests and limits, in whole divisors; no limit means all of the node. */
function resourceValue({ resource, divisor }: ResourceFieldSelector, { resources }: Container): string {
  const [kind, ...rest] = resource.split('.')
  const name = rest.join('.')
  const list = kind === 'limits' ? resources?.limits : resources?.requests
  const valueOf = name === 'cpu' ? quantityMilliValue : quantityValue
  const unit = valueOf(divisor && divisor !== '0' ? divisor : '1')
  const value = Math.ceil(valueOf(list?.[name] ?? '0') / unit)
  return value === 0 && (resource === 'limits.cpu' || resource === 'limits.memory') ? 'node allocatable' : String(value)
}

/** What the downward API gives for a field; kubectl knows those of metadata only and leaves others blank. */
function fieldOfPod(pod: Pod | undefined, path: string): string {
  const { metadata } = pod ?? {}
  if (!metadata) return ''
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
  if (keyed) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]!] ?? ''
  switch (path) {
    case 'metadata.namespace':
      return metadata.namespace ?? ''
    case 'metadata.uid':
      return metadata.uid ?? ''
    default:
      return ''
  }
}

function mountLines({ volumeMounts = [], volumeDevices = [] }: Container): string[] {
  const mounts = volumeMounts
    .toSorted((a, b) => (a.mountPath < b.mountPath ? -1 : 1))
    .map((mount) => {
      const flags = [mount.readOnly ? 'ro' : 'rw', ...(mount.subPath ? [`path="${mount.subPath}"`] : [])]
      return `${mount.mountPath} from ${mount.name} (${flags.join(',')})`
    })
  return [
    ...(mounts.length > 0 ? ['Mounts:', ...indent(1, mounts)] : ['Mounts:\t<none>']),
    ...(volumeDevices.length > 0
      ? ['Devices:', ...volumeDevices.map((device) => `  ${device.devicePath} from ${device.name}`)]
      : []),
  ]
}
