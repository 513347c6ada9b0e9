import type {
  ConfigMap,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  RuntimeClass,
  Secret,
  Service,
} from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { DeviceManager } from '../devices/device-manager.ts'
import type { ImagePuller } from '../images/image-puller.ts'
import { podReference, type KubeletOptions } from '../options.ts'
import type { VolumeSources, PodVolumes } from '../volumes/pod-volumes.ts'
import type { DownwardFacts } from './field-path.ts'
import type { ResolverConfig } from './name-resolution.ts'
import type { RuntimeObserver } from './runtime-observer.ts'

/** What all pods of the node share. */
export interface PodContext {
  readonly options: KubeletOptions
  readonly observer: RuntimeObserver
  readonly puller: ImagePuller
  readonly volumes: PodVolumes
  readonly devices: DeviceManager
  /** Addresses by pod uid: what is attached. */
  readonly podIps: Map<string, string>
  readonly limit: <T>(work: () => Promise<T>) => Promise<T>
  readonly runtimeName: () => string
  readonly memoryCapacityBytes: number
  readonly allocatable: () => Readonly<Record<string, string>>
  readonly nodeHostname: string
  readonly nodeResolver: () => Promise<ResolverConfig>
  readonly nodeHosts: () => Promise<string>
}

/** Records an Event about a pod, or about one of its containers. */
export function say(
  context: PodContext,
  pod: Pod,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  container?: string,
): void {
  const path = container === undefined ? undefined : containerFieldPath(pod, container)
  context.options.events.event(podReference(pod, path), type, reason, message)
}

function containerFieldPath(pod: Pod, name: string): string {
  const { initContainers = [], ephemeralContainers = [] } = pod.spec ?? {}
  const list = initContainers.some((one) => one.name === name)
    ? 'initContainers'
    : ephemeralContainers.some((one) => one.name === name)
      ? 'ephemeralContainers'
      : 'containers'
  return `spec.${list}{${name}}`
}

/** Reads of the pod's namespace. */
export function sourcesFor(informers: Informers, namespace: string): VolumeSources {
  return {
    configMap: (name) => informers.for<ConfigMap>(refs.configMaps).get(namespace, name),
    secret: (name) => informers.for<Secret>(refs.secrets).get(namespace, name),
    claim: (name) => informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims).get(namespace, name),
    volume: (name) => informers.for<PersistentVolume>(refs.persistentVolumes).get('', name),
  }
}

export const allServices = (informers: Informers): Service[] => informers.for<Service>(refs.services).list()

/** The pod's address of the other family, once it has one. */
export function secondPodIp({ podIps, options }: PodContext, podUid: string): string | undefined {
  const ip = podIps.get(podUid)
  return ip === undefined ? undefined : options.secondPodIp?.(ip)
}

export function downwardFacts(context: PodContext, pod: Pod): DownwardFacts {
  return {
    podIp: context.podIps.get(pod.metadata.uid ?? ''),
    secondPodIp: secondPodIp(context, pod.metadata.uid ?? ''),
    hostIp: context.options.nodeIp,
    allocatable: context.allocatable(),
  }
}

/** OCI runtime of the pod's RuntimeClass; throws when that class does not exist. */
export function runtimeHandler(informers: Informers, pod: Pod): string {
  const name = pod.spec?.runtimeClassName
  if (!name) return ''
  const found = informers.for<RuntimeClass>(refs.runtimeClasses).get('', name)
  if (found === undefined) throw new Error(`RuntimeClass "${name}" not found`)
  return found.handler
}
