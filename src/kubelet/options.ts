import type { ObjectReference, Pod } from '../api/kinds.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { NodeAccess } from '../streams/node-access.ts'
import type { ContainerRuntime } from '../runtime/runtime.ts'
import type { Pressure } from './node/machine.ts'

export interface HostPort {
  readonly hostIp: string
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
}

/** Gives a sandbox its network. Level-triggered: attaching what is attached returns the same address. */
export interface PodNetwork {
  attach(input: {
    readonly podUid: string
    /** Of the sandbox's first process, which holds the network namespace. */
    readonly pid: number
    readonly namespace: string
    readonly name: string
    readonly hostPorts?: readonly HostPort[]
  }): Promise<{ ip: string }>
  /** Takes the address back. A pod that was never attached is success. */
  detach(podUid: string): Promise<void>
  /** What is attached, also from before a restart. */
  list(): Promise<readonly { podUid: string; ip: string }[]>
}

export interface KubeletOptions {
  readonly nodeName: string
  /** Host name of the machine; the label `kubernetes.io/hostname` and the name of pods on the host's network. */
  readonly hostname?: string
  readonly nodeIp: string
  readonly podCidr: string
  /** The node's range of IPv6, and the address of it that goes with a pod's own. */
  readonly podCidr6?: string
  secondPodIp?(ip: string): string | undefined
  readonly client: Client
  readonly informers: Informers
  readonly runtime: ContainerRuntime
  readonly podNetwork: PodNetwork
  readonly events: EventRecorder
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Pods' volumes, files and logs live below it. */
  readonly dataDir: string
  /**
   * Where plugins look for the kubelet, whatever the data directory is: `/var/lib/kubelet`. It becomes another name of
   * the data directory. Default: the data directory itself.
   */
  readonly rootDir?: string
  /** Volumes of Secrets and tokens live in memory; needs the right to mount. */
  readonly memoryVolumes?: boolean
  /** First resolver of pods, such as `10.96.0.10`. */
  readonly clusterDns: readonly string[]
  /** Such as `cluster.local`. */
  readonly clusterDomain: string
  readonly nodeLabels?: Readonly<Record<string, string>>
  readonly nodeAnnotations?: Readonly<Record<string, string>>
  readonly nodeTaints?: readonly { key: string; value?: string; effect: string }[]
  /** Default 110. */
  readonly maxPods?: number
  /** Set apart for the system, taken from allocatable. Quantities by resource. */
  readonly systemReserved?: Readonly<Record<string, string>>
  readonly version?: string
  /** Port of the kubelet's own endpoint in the Node's daemonEndpoints; 0 leaves it out. */
  readonly kubeletPort?: number
  /** Default 4. */
  readonly maxParallelPulls?: number
  /** Reaches the other nodes; without it images come from registries only. */
  readonly nodeAccess?: NodeAccess
  /** Asked before anything of a pod is started, and again until it may be. Default: every pod may. */
  readonly mayStart?: (pod: Pod) => boolean
  /** Awaited before a container is started; it is not where this throws. */
  readonly beforeStart?: (pod: Pod, containerId: string) => Promise<void>
  /** What is left of the machine. Default: as its kernel says. */
  readonly pressure?: () => Promise<Pressure>
  /** Folder of static pods' manifests; default `manifests` in the data directory. */
  readonly staticPodPath?: string
}

/** What an Event about this pod points at. */
export const podReference = (pod: Pod, fieldPath?: string): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Pod',
  namespace: pod.metadata.namespace,
  name: pod.metadata.name,
  uid: pod.metadata.uid,
  resourceVersion: pod.metadata.resourceVersion,
  ...(fieldPath === undefined ? {} : { fieldPath }),
})
