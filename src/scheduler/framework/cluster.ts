import type { Node, Pod } from '../../api/kinds.ts'
import type { AffinityTerm, Labels } from './affinity-term.ts'
import { type ImageState, labelsOf, type Pressure, type Snapshot, type Surroundings } from './framework.ts'
import { addPod, createNodeInfo, type NodeInfo, removePod, setNode } from './node-info.ts'
import { bump, createPodIndex } from './pod-index.ts'
import { type PodInfo, podInfoOf, weighsTheSame } from './pod-info.ts'
import { createTermIndex, type TermIndex } from './term-index.ts'
import { createRefusalTables } from './refusal-table.ts'
import { interleaveZones } from './zones.ts'

/**
 * The scheduler's picture of the cluster, kept up to date change by change: each costs what it changes, not the size of
 * the cluster. An attempt reads it as a {@link Snapshot}; nothing changes during an attempt.
 */
export interface Cluster extends Snapshot {
  setNode(node: Node): void
  removeNode(name: string): void
  /** Counts a pod on a node: one that is bound there, or one that is about to be. */
  place(pod: Pod, nodeName: string): void
  /** Takes the pod off its node, or out of the pods whose node is not there yet. */
  remove(uid: string): void
  nodeOf(uid: string): string | undefined
  /** Keeps room on a node for a pod that others were removed for. */
  nominate(pod: Pod, nodeName: string): void
  forgetNomination(uid: string): void
  nominationOf(uid: string): string | undefined
  namespacesChanged(): void
  /** What pods strain was measured anew. */
  pressuresChanged(): void
}

export function createCluster(surroundings: Surroundings): Cluster {
  const infos = new Map<string, NodeInfo>()
  const placed = new Map<string, string>()
  /** Pods of nodes that are not there (yet), by node. */
  const homeless = new Map<string, Map<string, PodInfo>>()
  const nominatedNodes = new Map<string, string>()
  const nominatedPods = new Map<string, readonly PodInfo[]>()
  const labelValues = new Map<string, Map<string, number>>()
  const labelled = new Map<string, number>()
  const images = new Map<string, { sizeBytes: number; nodeCount: number }>()
  const claimUsers = new Map<string, number>()
  const pressures = new Map<string, Pressure>()
  const podIndex = createPodIndex(surroundings.namespaceLabels)
  const terms = {
    required: createTermIndex(surroundings.namespaceLabels),
    requiredAnti: createTermIndex(surroundings.namespaceLabels),
    preferred: createTermIndex(surroundings.namespaceLabels),
    preferredAnti: createTermIndex(surroundings.namespaceLabels),
  }
  const refusalTables = createRefusalTables()
  let nodes: readonly NodeInfo[] | undefined

  const countLabels = (labels: Labels, by: 1 | -1): void => {
    for (const [key, value] of Object.entries(labels)) {
      bump(labelled, key, by)
      const values = labelValues.get(key) ?? new Map<string, number>()
      bump(values, value, by)
      if (values.size > 0) labelValues.set(key, values)
      else labelValues.delete(key)
    }
  }
  const countImages = (info: NodeInfo, by: 1 | -1): void => {
    for (const [name, sizeBytes] of info.images) {
      const state = images.get(name) ?? { sizeBytes, nodeCount: 0 }
      state.nodeCount += by
      if (state.nodeCount > 0) images.set(name, state)
      else images.delete(name)
    }
  }
  const eachTerm = (pod: PodInfo, visit: (index: TermIndex, term: AffinityTerm) => void): void => {
    for (const term of pod.affinity) visit(terms.required, term)
    for (const term of pod.antiAffinity) visit(terms.requiredAnti, term)
    for (const term of pod.preferredAffinity) visit(terms.preferred, term)
    for (const term of pod.preferredAntiAffinity) visit(terms.preferredAnti, term)
  }
  const setPressure = (info: NodeInfo, uid: string, pressure: Pressure | undefined): void => {
    for (const [name, amount] of Object.entries(pressures.get(uid) ?? {})) bump(info.pressure, name, -amount)
    for (const [name, amount] of Object.entries(pressure ?? {})) bump(info.pressure, name, amount)
    if (pressure) pressures.set(uid, pressure)
    else pressures.delete(uid)
  }
  const put = (info: NodeInfo, pod: PodInfo): void => {
    const labels = labelsOf(info.node)
    addPod(info, pod)
    refusalTables.changed(info)
    placed.set(pod.uid, info.name)
    podIndex.add(pod, info.name, labels)
    eachTerm(pod, (index, term) => index.add(term, labels))
    for (const claim of pod.claims) bump(claimUsers, `${pod.namespace}/${claim}`, 1)
    setPressure(info, pod.uid, surroundings.pressureOf(pod.pod))
  }
  const take = (info: NodeInfo, pod: PodInfo): void => {
    const labels = labelsOf(info.node)
    setPressure(info, pod.uid, undefined)
    removePod(info, pod.uid)
    refusalTables.changed(info)
    placed.delete(pod.uid)
    podIndex.remove(pod.uid)
    eachTerm(pod, (index, term) => index.remove(term, labels))
    for (const claim of pod.claims) bump(claimUsers, `${pod.namespace}/${claim}`, -1)
  }
  const shelter = (pod: PodInfo, nodeName: string): void => {
    homeless.set(nodeName, (homeless.get(nodeName) ?? new Map()).set(pod.uid, pod))
    placed.set(pod.uid, nodeName)
  }
  const remove = (uid: string): void => {
    const nodeName = placed.get(uid)
    if (nodeName === undefined) return
    const info = infos.get(nodeName)
    const pod = info?.pods.get(uid)
    if (info && pod) return take(info, pod)
    placed.delete(uid)
    const waiting = homeless.get(nodeName)
    waiting?.delete(uid)
    if (waiting?.size === 0) homeless.delete(nodeName)
  }
  /** What was found out about a node holds for what is promised on it. */
  const promisesChanged = (nodeName: string): void => {
    const info = infos.get(nodeName)
    if (!info) return
    info.memo.clear()
    refusalTables.changed(info)
  }
  const forgetNomination = (uid: string): void => {
    const nodeName = nominatedNodes.get(uid)
    if (nodeName === undefined) return
    nominatedNodes.delete(uid)
    const left = (nominatedPods.get(nodeName) ?? []).filter((pod) => pod.uid !== uid)
    if (left.length > 0) nominatedPods.set(nodeName, left)
    else nominatedPods.delete(nodeName)
    promisesChanged(nodeName)
  }

  return {
    ...surroundings,
    get nodes() {
      return (nodes ??= interleaveZones([...infos.values()]))
    },
    node: (name) => infos.get(name),
    podCounts: (query) => podIndex.counts(query),
    terms,
    refusalTables,
    topologyValues: (key) => labelValues.get(key) ?? noCounts,
    nodesWithLabel: (key) => labelled.get(key) ?? 0,
    image: (name): ImageState | undefined => images.get(name),
    nominated: (nodeName) => (nominatedPods.size === 0 ? noPods : (nominatedPods.get(nodeName) ?? noPods)),
    claimUsers: (claim) => claimUsers.get(claim) ?? 0,
    setNode(node) {
      const name = node.metadata.name ?? ''
      const info = infos.get(name)
      if (!info) {
        const added = createNodeInfo(node)
        infos.set(name, added)
        refusalTables.clear()
        nodes = undefined
        countLabels(labelsOf(node), 1)
        countImages(added, 1)
        const waiting = homeless.get(name)
        homeless.delete(name)
        for (const pod of waiting?.values() ?? []) put(added, pod)
        return
      }
      refusalTables.changed(info)
      countImages(info, -1)
      if (sameLabels(labelsOf(info.node), labelsOf(node))) setNode(info, node)
      else {
        // Its pods count under the new topology from now on.
        const pods = [...info.pods.values()]
        for (const pod of pods) take(info, pod)
        countLabels(labelsOf(info.node), -1)
        setNode(info, node)
        countLabels(labelsOf(node), 1)
        nodes = undefined
        for (const pod of pods) put(info, pod)
      }
      countImages(info, 1)
    },
    removeNode(name) {
      const info = infos.get(name)
      if (!info) return
      const pods = [...info.pods.values()]
      for (const pod of pods) take(info, pod)
      infos.delete(name)
      refusalTables.clear()
      nodes = undefined
      countLabels(labelsOf(info.node), -1)
      countImages(info, -1)
      for (const pod of pods) shelter(pod, name)
    },
    place(pod, nodeName) {
      const next = podInfoOf(pod)
      const info = infos.get(nodeName)
      const before = placed.get(next.uid) === nodeName ? info?.pods.get(next.uid) : undefined
      if (info && before && weighsTheSame(before, next)) {
        info.pods.set(next.uid, next)
        info.memo.clear()
        setPressure(info, next.uid, surroundings.pressureOf(pod))
        return
      }
      remove(next.uid)
      if (info) put(info, next)
      else shelter(next, nodeName)
    },
    remove,
    nodeOf: (uid) => placed.get(uid),
    nominate(pod, nodeName) {
      const info = podInfoOf(pod)
      forgetNomination(info.uid)
      nominatedNodes.set(info.uid, nodeName)
      nominatedPods.set(nodeName, [...(nominatedPods.get(nodeName) ?? []), info])
      promisesChanged(nodeName)
    },
    forgetNomination,
    nominationOf: (uid) => nominatedNodes.get(uid),
    namespacesChanged: () => podIndex.forgetNamespaceSelectors(),
    pressuresChanged() {
      for (const info of infos.values()) {
        for (const { uid, pod } of info.pods.values()) setPressure(info, uid, surroundings.pressureOf(pod))
        info.memo.clear()
      }
    },
  }
}

const noCounts: ReadonlyMap<string, number> = new Map()
const noPods: readonly PodInfo[] = []

function sameLabels(a: Labels, b: Labels): boolean {
  if (a === b) return true
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}
