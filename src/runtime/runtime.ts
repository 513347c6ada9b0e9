import type { Channels } from '../streams/channels.ts'

/** Which pod a container or sandbox belongs to. */
export interface PodIdentity {
  readonly name: string
  readonly namespace: string
  readonly uid: string
}

/** What holds a pod's network and IPC namespaces. */
export interface SandboxConfig {
  readonly pod: PodIdentity
  /** Counts sandboxes of this pod, from 0. */
  readonly attempt: number
  readonly hostname: string
  readonly hostNetwork: boolean
  readonly hostPid: boolean
  readonly hostIpc: boolean
  readonly sysctls: Readonly<Record<string, string>>
  /** OCI runtime handler (RuntimeClass), '' for the default one. */
  readonly handler: string
  /**
   * False lets the runtime bind a sandbox that runs already. Its containers are then named between their start and
   * their program's first instruction, for which {@link ContainerConfig.hostname} and `imageDefaults` are needed.
   */
  readonly needsIdentity: boolean
}

export interface Mount {
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
  /** Docker's words for `None`, `HostToContainer`, `Bidirectional`. */
  readonly propagation: 'rprivate' | 'rslave' | 'rshared'
}

export interface Device {
  readonly source: string
  readonly target: string
  /** Any of `r`, `w`, `m`. */
  readonly permissions: string
}

export interface Resources {
  /** Relative CPU weight, 2 to 262,144. */
  readonly cpuShares?: number
  /** CPU time allowed in each `cpuPeriodMicros`; absent or 0: no limit. */
  readonly cpuQuotaMicros?: number
  readonly cpuPeriodMicros?: number
  /** 0: no limit. */
  readonly memoryBytes?: number
  readonly pidsLimit?: number
}

export interface ContainerConfig {
  readonly pod: PodIdentity
  readonly name: string
  /** Counts instances of this container in this pod, from 0: Kubernetes' restartCount. */
  readonly attempt: number
  readonly sandboxId: string
  /** Image id or reference that is present on the node. */
  readonly image: string
  /** What the user wrote, kept as a label for status. */
  readonly imageRef: string
  /** Undefined keeps the image's entrypoint. */
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly workingDir?: string
  readonly env: readonly string[]
  readonly mounts: readonly Mount[]
  readonly tmpfs: Readonly<Record<string, string>>
  readonly devices: readonly Device[]
  readonly labels: Readonly<Record<string, string>>
  readonly stdin: boolean
  readonly stdinOnce: boolean
  readonly tty: boolean
  readonly hostNetwork: boolean
  /** 'pod' joins the sandbox's, `container` targets another container of the pod. */
  readonly pidMode: 'own' | 'pod' | 'host' | { readonly container: string }
  readonly hostIpc: boolean
  readonly user?: string
  readonly groups: readonly string[]
  readonly privileged: boolean
  readonly readOnlyRootFilesystem: boolean
  readonly capabilitiesAdd: readonly string[]
  readonly capabilitiesDrop: readonly string[]
  /** `no-new-privileges`, `seccomp=…`, `apparmor=…`, `label=…`, `systempaths=unconfined`. */
  readonly securityOptions: readonly string[]
  readonly oomScoreAdjust: number
  readonly resources: Resources
  readonly handler: string
  readonly stopSignal?: string
  /** Set when the sandbox is of the pool ({@link RuntimeContainer.pooled}): the name that the container must bear. */
  readonly hostname?: string
  /** What the image says of its program, where `hostname` is set. */
  readonly imageDefaults?: Pick<RuntimeImage, 'entrypoint' | 'command' | 'env'>
}

export type ContainerState = 'created' | 'running' | 'exited'

/** A container or a sandbox as the runtime sees it now. */
export interface RuntimeContainer {
  readonly id: string
  readonly role: 'sandbox' | 'container'
  readonly pod: PodIdentity
  /** The sandbox that a container joined; '' for a sandbox. */
  readonly sandboxId: string
  /** Container's name in the pod; '' for a sandbox. */
  readonly name: string
  readonly attempt: number
  readonly state: ContainerState
  /** In the runtime's own PID namespace; 0 unless running. */
  readonly pid: number
  readonly createdAtMs: number
  /** 0 when never started. */
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly exitCode: number
  readonly oomKilled: boolean
  /** Why it could not start, in the runtime's words. */
  readonly error: string
  /** What the pod's spec said. */
  readonly imageRef: string
  readonly imageId: string
  readonly labels: Readonly<Record<string, string>>
  /** True for a sandbox of the warm pool: its containers' hostname has to be given with them. */
  readonly pooled: boolean
  /** The user it was configured with, '' for the image's default. */
  readonly user: string
}

export interface RuntimeImage {
  /** `sha256:…` of the image's configuration. */
  readonly id: string
  readonly tags: readonly string[]
  readonly digests: readonly string[]
  readonly sizeBytes: number
  /** `user[:group]` of the image's configuration. */
  readonly user: string
  /** The image's own `VAR=value` list. */
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
}

export interface RegistryAuth {
  readonly username?: string
  readonly password?: string
  readonly identityToken?: string
  readonly registryToken?: string
  readonly serverAddress?: string
}

export interface PullProgress {
  readonly status: string
  readonly layer: string
  readonly currentBytes: number
  readonly totalBytes: number
}

export interface LogOptions {
  readonly follow: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** Undefined: from the start. */
  readonly sinceMs?: number
  /** Undefined: all of it. */
  readonly tailLines?: number
}

/** One write of the container, or a part of it: `timestamp` is RFC 3339 with nine digits. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr'
  readonly timestamp: string
  /** With its line feed, unless the container never wrote one. */
  readonly data: Uint8Array
}

export interface StreamOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

export interface ContainerStats {
  readonly timestampMs: number
  readonly cpuNanos: number
  readonly memoryUsageBytes: number
  /** Usage without inactive page cache: what the kubelet calls the working set. */
  readonly memoryWorkingSetBytes: number
  readonly memoryRssBytes: number
  readonly pageFaults: number
  readonly majorPageFaults: number
  readonly pids: number
}

export interface RuntimeVersion {
  /** `docker`, `podman`, `simulated`. */
  readonly name: string
  readonly version: string
  readonly apiVersion: string
}

/** Something happened to this container; look again. Carries no state on purpose. */
export interface RuntimeEvent {
  readonly containerId: string
}

export interface ExecResult {
  readonly exitCode: number
  /** Both streams, cut at the limit that was asked for. */
  readonly output: string
}

/**
 * Containers, sandboxes and images of one machine. All methods throw {@link RuntimeError}; a container that is already
 * gone (or already started, stopped) is success for `start`, `stop` and `remove`.
 *
 * Not promised: that an event comes for each change, or only once. Observe again after a gap in the stream.
 */
export interface ContainerRuntime {
  version(signal?: AbortSignal): Promise<RuntimeVersion>
  /** Everything of ours, running or not, except idle sandboxes of the pool. */
  list(signal?: AbortSignal): Promise<RuntimeContainer[]>
  /** Undefined when it is gone or not ours. */
  inspect(id: string, signal?: AbortSignal): Promise<RuntimeContainer | undefined>
  /** Ends only by an error (connection lost) or the signal. The first event may be preceded by changes nobody told. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>

  /**
   * Creates and starts (or binds) the pod's sandbox. `onCreated` is called as soon as its id is known: containers can
   * be created while it starts.
   */
  runSandbox(
    config: SandboxConfig,
    signal?: AbortSignal,
    onCreated?: (sandbox: Pick<RuntimeContainer, 'id' | 'pooled'>) => void,
  ): Promise<RuntimeContainer>
  /** The sandbox need not run yet. */
  createContainer(config: ContainerConfig, signal?: AbortSignal): Promise<string>
  start(id: string, signal?: AbortSignal): Promise<RuntimeContainer>
  /** The stop signal (`stopSignal`, else the container's), then SIGKILL after `graceMs`; resolves once it has exited. */
  stop(id: string, graceMs: number, signal?: AbortSignal): Promise<void>
  remove(id: string, signal?: AbortSignal): Promise<void>
  updateResources(id: string, resources: Resources, signal?: AbortSignal): Promise<void>
  stats(id: string, signal?: AbortSignal): Promise<ContainerStats>

  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<LogEntry>
  /** Connects the channels to a new process; resolves with its exit code. */
  exec(
    id: string,
    command: readonly string[],
    options: StreamOptions,
    channels: Channels,
    signal: AbortSignal,
  ): Promise<number>
  /** Runs a process to its end; when the signal fires it is killed and the call rejects. */
  execSync(id: string, command: readonly string[], maxOutputBytes: number, signal: AbortSignal): Promise<ExecResult>
  /** Connects the channels to the container's first process, until it ends or the peer leaves. */
  attach(id: string, options: StreamOptions, channels: Channels, signal: AbortSignal): Promise<void>

  image(reference: string, signal?: AbortSignal): Promise<RuntimeImage | undefined>
  images(signal?: AbortSignal): Promise<RuntimeImage[]>
  pull(
    reference: string,
    auth: RegistryAuth | undefined,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<RuntimeImage>
  /** A `docker save` or OCI archive, plain or compressed. Returns the names of what was loaded. */
  load(archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string[]>
  /** The image as a `docker save` archive under that name. Throws not-found before the first byte. */
  save(reference: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** The image's whole file system as a tar archive, by its id. */
  files(imageId: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Removes a tag, or the whole image when given its id. */
  removeImage(reference: string, signal?: AbortSignal): Promise<void>

  /** Stops background work (pool, connections). Containers go on. Idempotent. */
  close(): Promise<void>
}

export type RuntimeErrorKind = 'not-found' | 'conflict' | 'invalid' | 'unauthorized' | 'unreachable' | 'failed'

/** `unreachable`: the daemon does not answer, nothing is known. Everything else is its answer. */
export class RuntimeError extends Error {
  override name = 'RuntimeError'
  readonly kind: RuntimeErrorKind
  /** The container that bears the failure, when another was made in its place. */
  readonly containerId: string | undefined

  constructor(kind: RuntimeErrorKind, message: string, options?: ErrorOptions & { containerId?: string }) {
    super(message, options)
    this.kind = kind
    this.containerId = options?.containerId
  }
}
