import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  LabelSelector,
  Namespace,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  Service,
  StatefulSet,
  StorageClass,
} from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { labelSelectorRequirements, type LabelRequirement, matchesLabelMap } from '../lib/selector.ts'
import { createMatcher, type PodMatcher } from './framework/affinity-term.ts'
import type { Pressure, Surroundings } from './framework/framework.ts'
import { parsePressure, pressureAnnotation } from './plugins/inter-pod-interference.ts'

const storage = (resource: string): GroupResource => ({ group: 'storage.k8s.io', resource })
export const csiNodes = storage('csinodes')
export const csiDrivers = storage('csidrivers')
export const csiStorageCapacities = storage('csistoragecapacities')

/** What the scheduler looks up besides nodes and pods, read from informers; groups that are asked for often are kept. */
export interface LiveSurroundings extends Surroundings {
  /** Keeps a volume for a claim (`namespace/name`) until its claimRef is written; undefined gives it free. */
  promise(volume: string, claim: string | undefined): void
  /** Ends the subscriptions. */
  stop(): void
}

/** `measured` says what a pod strains, where that is known; its annotation is taken otherwise. */
export function createSurroundings(
  informers: Informers,
  measured: (pod: Pod) => Pressure | undefined = () => undefined,
): LiveSurroundings {
  const promises = new Map<string, string>()
  const services = groupBy<Service>(informers, refs.services, ({ metadata }) => metadata.namespace ?? '')
  const volumes = groupBy<PersistentVolume>(
    informers,
    refs.persistentVolumes,
    ({ spec }) => spec?.storageClassName ?? '',
  )
  const capacities = groupBy<CSIStorageCapacity>(informers, csiStorageCapacities, (one) => one.storageClassName)
  return {
    namespaceLabels: (namespace) =>
      informers.for<Namespace>(refs.namespaces).get('', namespace)?.metadata.labels ?? noLabels,
    volumes: {
      claim: (namespace, name) =>
        informers.for<PersistentVolumeClaim>(refs.persistentVolumeClaims).get(namespace, name),
      volume: (name) => informers.for<PersistentVolume>(refs.persistentVolumes).get('', name),
      volumesOfClass: (storageClass) => volumes.of(storageClass),
      storageClass: (name) => informers.for<StorageClass>(refs.storageClasses).get('', name),
      csiNode: (name) => informers.for<CSINode>(csiNodes).get('', name),
      csiDriver: (name) => informers.for<CSIDriver>(csiDrivers).get('', name),
      storageCapacities: (storageClass) => capacities.of(storageClass),
      promisedTo: (volume) => promises.get(volume),
    },
    siblings: (pod) => siblingsOf(pod, services.of(pod.metadata.namespace ?? ''), informers),
    disruptionBudgets: () => informers.for<PodDisruptionBudget>(refs.podDisruptionBudgets).list(),
    pressureOf: (pod) => measured(pod) ?? parsePressure(pod.metadata.annotations?.[pressureAnnotation]),
    promise(volume, claim) {
      if (claim === undefined) promises.delete(volume)
      else promises.set(volume, claim)
    },
    stop() {
      services.stop()
      volumes.stop()
      capacities.stop()
    },
  }
}

const noLabels: Readonly<Record<string, string>> = {}

/** The selectors of the pod's services and of its controller, all at once (upstream's DefaultSelector). */
function siblingsOf(pod: Pod, services: readonly Service[], informers: Informers): PodMatcher | undefined {
  const { namespace = '', labels } = pod.metadata
  const requirements: LabelRequirement[] = []
  const add = (selector: LabelSelector | undefined): void => {
    for (const one of labelSelectorRequirements(selector) ?? [])
      if (
        !requirements.some(
          ({ key, operator, values }) => key === one.key && operator === one.operator && values[0] === one.values[0],
        )
      )
        requirements.push(one)
  }
  for (const { spec } of services) if (matchesLabelMap(spec?.selector, labels)) add({ matchLabels: spec!.selector! })
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)
  if (owner?.kind === 'ReplicaSet')
    add(informers.for<ReplicaSet>(refs.replicaSets).get(namespace, owner.name)?.spec?.selector)
  if (owner?.kind === 'StatefulSet')
    add(informers.for<StatefulSet>(refs.statefulSets).get(namespace, owner.name)?.spec?.selector)
  if (owner?.kind === 'ReplicationController') {
    const { selector } =
      informers.for<ReplicationController>(refs.replicationControllers).get(namespace, owner.name)?.spec ?? {}
    if (selector) add({ matchLabels: selector })
  }
  return requirements.length === 0 ? undefined : createMatcher([namespace], undefined, requirements)
}

interface Groups<T> {
  of(group: string): readonly T[]
  stop(): void
}

/** Objects of one resource by a group of theirs, kept up to date. */
function groupBy<T extends KubeObject>(
  informers: Informers,
  ref: GroupResource,
  groupOf: (object: T) => string,
): Groups<T> {
  const groups = new Map<string, Map<string, T>>()
  const put = (object: T): void => {
    const group = groups.get(groupOf(object)) ?? new Map<string, T>()
    groups.set(groupOf(object), group.set(nameOf(object), object))
  }
  const drop = (object: T): void => {
    const group = groups.get(groupOf(object))
    group?.delete(nameOf(object))
    if (group?.size === 0) groups.delete(groupOf(object))
  }
  const informer = informers.for<T>(ref)
  const stop = informer.onChange(({ object, previous }) => {
    if (previous) drop(previous)
    if (object) put(object)
  })
  for (const object of informer.list()) put(object)
  return { of: (group) => [...(groups.get(group)?.values() ?? [])], stop }
}

const nameOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`
