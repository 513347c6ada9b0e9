import type { ContainerCreateOptions } from 'dockerode'
import { containerName, labelKeys, sandboxContainerName } from '../container-names.ts'
import type { ContainerConfig, PodIdentity, Resources, SandboxConfig } from '../runtime.ts'
import { pauseImageName } from '../pause-image.ts'

/** Bytes of log kept for a container: `files` of `size` each, as the kubelet's containerLogMaxSize and MaxFiles. */
const logRotation = { size: '10m', files: '5' }

/** The sandbox yields to nobody under memory pressure (upstream PodInfraOOMAdj). */
const sandboxOomScoreAdjust = -998

export interface DockerDefaults {
  /** Parent cgroup of everything of ours; '' leaves it to the daemon. */
  readonly cgroupParent: string
  /** Lowering a score below the daemon's own needs CAP_SYS_RESOURCE, which some hosts withhold. */
  readonly minOomScoreAdjust: number
}

const podLabels = (pod: PodIdentity): Record<string, string> => ({
  [labelKeys.managed]: 'true',
  [labelKeys.podName]: pod.name,
  [labelKeys.podNamespace]: pod.namespace,
  [labelKeys.podUid]: pod.uid,
})

/** Body of POST /containers/create for a pod's sandbox. */
export function sandboxCreateOptions(config: SandboxConfig, defaults: DockerDefaults): ContainerCreateOptions {
  return {
    name: containerName({ pod: config.pod, container: sandboxContainerName, attempt: config.attempt }),
    Image: pauseImageName,
    ...(config.hostNetwork ? {} : { Hostname: config.hostname }),
    Labels: {
      ...podLabels(config.pod),
      [labelKeys.role]: 'sandbox',
      [labelKeys.containerName]: sandboxContainerName,
    },
    HostConfig: {
      NetworkMode: config.hostNetwork ? 'host' : 'none',
      IpcMode: config.hostIpc ? 'host' : 'shareable',
      ...(config.hostPid ? { PidMode: 'host' } : {}),
      ...(config.handler === '' ? {} : { Runtime: config.handler }),
      Sysctls: { ...config.sysctls },
      ...sandboxHostConfig(defaults),
    },
  }
}

/** Body of POST /containers/create for a sandbox that belongs to no pod yet. */
export function poolSandboxCreateOptions(name: string, defaults: DockerDefaults): ContainerCreateOptions {
  return {
    name,
    Image: pauseImageName,
    Labels: { [labelKeys.managed]: 'true', [labelKeys.role]: 'sandbox' },
    HostConfig: { NetworkMode: 'none', IpcMode: 'shareable', ...sandboxHostConfig(defaults) },
  }
}

const sandboxHostConfig = (defaults: DockerDefaults): ContainerCreateOptions['HostConfig'] => ({
  CpuShares: 2,
  OomScoreAdj: Math.max(sandboxOomScoreAdjust, defaults.minOomScoreAdjust),
  LogConfig: { Type: 'none', Config: {} },
  SecurityOpt: ['no-new-privileges'],
  ...(defaults.cgroupParent === '' ? {} : { CgroupParent: defaults.cgroupParent }),
})

/** Body of POST /containers/create for a container of a pod. */
export function containerCreateOptions(config: ContainerConfig, defaults: DockerDefaults): ContainerCreateOptions {
  const joined = `container:${config.sandboxId}`
  return {
    name: containerName({ pod: config.pod, container: config.name, attempt: config.attempt }),
    Image: config.image,
    ...(config.command === undefined ? {} : { Entrypoint: [...config.command] }),
    ...(config.args === undefined ? {} : { Cmd: [...config.args] }),
    // An image's default arguments belong to its own entrypoint: they must not follow ours.
    ...(config.command !== undefined && config.args === undefined ? { Cmd: [] } : {}),
    ...(config.workingDir === undefined ? {} : { WorkingDir: config.workingDir }),
    ...(config.user === undefined ? {} : { User: config.user }),
    Env: [...config.env],
    OpenStdin: config.stdin,
    StdinOnce: config.stdin && config.stdinOnce,
    Tty: config.tty,
    ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
    // Docker's own health check would run beside the pod's probes.
    Healthcheck: { Test: ['NONE'] },
    Labels: {
      ...config.labels,
      ...podLabels(config.pod),
      [labelKeys.role]: 'container',
      [labelKeys.containerName]: config.name,
      [labelKeys.sandboxId]: config.sandboxId,
      [labelKeys.restartCount]: String(config.attempt),
      [labelKeys.image]: config.imageRef,
      [labelKeys.resources]: JSON.stringify(config.resources),
      ...(config.hostname === undefined ? {} : { [labelKeys.hostname]: config.hostname }),
    },
    HostConfig: {
      NetworkMode: config.hostNetwork ? 'host' : joined,
      IpcMode: config.hostIpc ? 'host' : joined,
      ...pidMode(config, joined),
      ...(config.handler === '' ? {} : { Runtime: config.handler }),
      Mounts: config.mounts.map((mount) => ({
        Type: 'bind' as const,
        Source: mount.source,
        Target: mount.target,
        ReadOnly: mount.readOnly,
        // Private is the engine's own choice, but for a source that holds its state (`/`): there it must be, and is, a slave.
        ...(mount.propagation === 'rprivate' ? {} : { BindOptions: { Propagation: mount.propagation } }),
      })),
      Tmpfs: { ...config.tmpfs },
      Devices: config.devices.map((device) => ({
        PathOnHost: device.source,
        PathInContainer: device.target,
        CgroupPermissions: device.permissions,
      })),
      GroupAdd: [...config.groups],
      Privileged: config.privileged,
      ReadonlyRootfs: config.readOnlyRootFilesystem,
      CapAdd: [...config.capabilitiesAdd],
      CapDrop: [...config.capabilitiesDrop],
      SecurityOpt: [...config.securityOptions],
      OomScoreAdj: Math.max(config.oomScoreAdjust, defaults.minOomScoreAdjust),
      RestartPolicy: { Name: '' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': logRotation.size, 'max-file': logRotation.files } },
      ...resourceOptions(config.resources),
      ...(defaults.cgroupParent === '' ? {} : { CgroupParent: defaults.cgroupParent }),
    },
  }
}

function pidMode(config: ContainerConfig, joined: string): { PidMode?: string } {
  if (config.pidMode === 'own') return {}
  if (config.pidMode === 'host') return { PidMode: 'host' }
  return { PidMode: config.pidMode === 'pod' ? joined : `container:${config.pidMode.container}` }
}

/** Docker counts swap into MemorySwap: equal to Memory means none, which is what Kubernetes' limit says. */
export function resourceOptions(resources: Resources): Record<string, number> {
  const { cpuShares, cpuQuotaMicros, cpuPeriodMicros, memoryBytes, pidsLimit } = resources
  return {
    ...(cpuShares === undefined ? {} : { CpuShares: cpuShares }),
    ...(cpuQuotaMicros ? { CpuQuota: cpuQuotaMicros, CpuPeriod: cpuPeriodMicros ?? 100_000 } : {}),
    ...(memoryBytes ? { Memory: memoryBytes, MemorySwap: memoryBytes } : {}),
    ...(pidsLimit === undefined ? {} : { PidsLimit: pidsLimit }),
  }
}
