import type { Container, EphemeralContainer, PodSpec, PodTemplateSpec, Probe, Volume } from '../../../api/kinds.ts'
import { pullPolicyOf } from './image.ts'

/** The spec of a pod or of a template, as defaults.go of core/v1 leaves it. Idempotent. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst'
  spec.restartPolicy ||= 'Always'
  // kubectl and the kubelet rely on its presence, be it empty.
  spec.securityContext ??= {}
  // Negative ones count as one second, and are not refused: old workloads have them (upstream's conversion).
  const graceSeconds = spec.terminationGracePeriodSeconds ?? 30
  spec.terminationGracePeriodSeconds = graceSeconds < 0 ? 1 : graceSeconds
  spec.schedulerName ||= 'default-scheduler'
  if (spec.serviceAccountName && !spec.serviceAccount) spec.serviceAccount = spec.serviceAccountName
  if (spec.serviceAccount && !spec.serviceAccountName) spec.serviceAccountName = spec.serviceAccount
  for (const flag of ['hostNetwork', 'hostPID', 'hostIPC'] as const) if (spec[flag] === false) delete spec[flag]
  for (const container of spec.initContainers ?? []) defaultContainer(container)
  for (const container of spec.containers ?? []) defaultContainer(container)
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container)
  for (const volume of spec.volumes ?? []) defaultVolume(volume)
  for (const constraint of spec.topologySpreadConstraints ?? []) {
    constraint.whenUnsatisfiable ||= 'DoNotSchedule'
  }
  if (spec.resources?.limits) copyLimits(spec.resources)
}

/** Defaults that only a pod itself gets, not the template of a workload. */
export function defaultPodOnlySpec(spec: PodSpec): void {
  spec.enableServiceLinks ??= true
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    if (container.resources?.limits) copyLimits(container.resources)
    // On the host's network a port of the container is one of the host.
    if (spec.hostNetwork) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort
  }
}

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template?.spec) defaultPodSpec(template.spec)
}

/** A limit without a request asks for the limit. */
function copyLimits(resources: { limits?: Record<string, unknown>; requests?: Record<string, unknown> }): void {
  const missing = Object.entries(resources.limits ?? {}).filter(([name]) => resources.requests?.[name] === undefined)
  if (missing.length > 0) resources.requests = { ...resources.requests, ...Object.fromEntries(missing) }
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? '')
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
  container.resources ??= {}
  for (const port of container.ports ?? []) {
    port.protocol ||= 'TCP'
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= 'v1'
    if (valueFrom?.resourceFieldRef) valueFrom.resourceFieldRef.divisor ||= '0'
    if (valueFrom?.fileKeyRef) valueFrom.fileKeyRef.optional ??= false
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe) defaultProbe(probe)
  }
  const { postStart, preStop } = container.lifecycle ?? {}
  for (const handler of [postStart, preStop]) if (handler?.httpGet) defaultHttpGet(handler.httpGet)
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  if (probe.httpGet) defaultHttpGet(probe.httpGet)
  if (probe.grpc) probe.grpc.service ??= ''
}

function defaultHttpGet(get: { path?: string; scheme?: string }): void {
  get.path ||= '/'
  get.scheme ||= 'HTTP'
}

const fileMode = 0o644

function defaultVolume(volume: Volume): void {
  const sources = Object.keys(volume).filter((key) => key !== 'name')
  if (sources.length === 0) volume.emptyDir = {}
  if (volume.secret) volume.secret.defaultMode ??= fileMode
  if (volume.configMap) volume.configMap.defaultMode ??= fileMode
  if (volume.hostPath) volume.hostPath.type ??= ''
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= 'default'
  if (volume.rbd) {
    volume.rbd.pool ||= 'rbd'
    volume.rbd.user ||= 'admin'
    volume.rbd.keyring ||= '/etc/ceph/keyring'
  }
  if (volume.azureDisk) {
    volume.azureDisk.cachingMode ||= 'ReadWrite'
    volume.azureDisk.kind ||= 'Shared'
    volume.azureDisk.fsType ||= 'ext4'
    volume.azureDisk.readOnly ??= false
  }
  if (volume.scaleIO) {
    volume.scaleIO.storageMode ||= 'ThinProvisioned'
    volume.scaleIO.fsType ||= 'xfs'
  }
  if (volume.image) volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference ?? '')
  if (volume.ephemeral?.volumeClaimTemplate?.spec) volume.ephemeral.volumeClaimTemplate.spec.volumeMode ||= 'Filesystem'
  defaultDownwardItems(volume.downwardAPI)
  if (volume.projected) defaultProjected(volume.projected)
}

type DownwardItems = NonNullable<Volume['downwardAPI']>['items']

function defaultDownwardItems(source: { items?: DownwardItems; defaultMode?: number } | undefined, mode = true): void {
  if (!source) return
  if (mode) source.defaultMode ??= fileMode
  for (const { fieldRef, resourceFieldRef } of source.items ?? []) {
    if (fieldRef) fieldRef.apiVersion ||= 'v1'
    if (resourceFieldRef) resourceFieldRef.divisor ||= '0'
  }
}

function defaultProjected(projected: NonNullable<Volume['projected']>): void {
  projected.defaultMode ??= fileMode
  for (const source of projected.sources ?? []) {
    if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600
    defaultDownwardItems(source.downwardAPI, false)
  }
}
