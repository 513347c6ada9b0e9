import type { CSINode, CSINodeDriver, Node } from '../../api/kinds.ts'
import type { NodeInfo } from './csi-api.ts'

/** Which drivers know this node under which name, for those that attach. */
const nodeIdAnnotation = 'csi.volume.kubernetes.io/nodeid'

/** What a driver has said of this node. */
export interface RegisteredNode {
  readonly driver: string
  readonly info: NodeInfo
}

/** The CSINode of a node on which no driver runs yet. */
export const newCsiNode = (nodeName: string, nodeUid: string): CSINode => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSINode',
  metadata: {
    name: nodeName,
    ...(nodeUid === '' ? {} : { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeUid }] }),
  },
  spec: { drivers: [] },
})

/** The CSINode with this driver, as it has described the node; undefined when it says so already. */
export function withDriver(csiNode: CSINode, { driver, info }: RegisteredNode): CSINode | undefined {
  const entry: CSINodeDriver = {
    name: driver,
    nodeID: info.nodeId,
    topologyKeys: Object.keys(info.accessibleTopology?.segments ?? {}).toSorted(),
    ...(info.maxVolumesPerNode > 0 ? { allocatable: { count: info.maxVolumesPerNode } } : {}),
  }
  const { drivers } = csiNode.spec
  const before = drivers.find(({ name }) => name === driver)
  if (before !== undefined && JSON.stringify(sorted(before)) === JSON.stringify(sorted(entry))) return undefined
  return { ...csiNode, spec: { drivers: [...drivers.filter(({ name }) => name !== driver), entry] } }
}

const sorted = ({ name, nodeID, topologyKeys, allocatable }: CSINodeDriver) => [
  name,
  nodeID,
  topologyKeys ?? [],
  allocatable?.count,
]

/** The CSINode without this driver; undefined when it is not in it. */
export function withoutDriver(csiNode: CSINode, driver: string): CSINode | undefined {
  const drivers = csiNode.spec.drivers.filter(({ name }) => name !== driver)
  return drivers.length === csiNode.spec.drivers.length ? undefined : { ...csiNode, spec: { drivers } }
}

/** The Node with the driver's name for it, and its place as labels; undefined when it says so already. */
export function labelledNode(node: Node, { driver, info }: RegisteredNode): Node | undefined {
  const segments = info.accessibleTopology?.segments ?? {}
  const { labels = {}, annotations = {} } = node.metadata
  const ids = {
    ...(JSON.parse(annotations[nodeIdAnnotation] ?? '{}') as Record<string, string>),
    [driver]: info.nodeId,
  }
  const written = JSON.stringify(ids)
  const isLabelled = Object.entries(segments).every(([key, value]) => labels[key] === value)
  if (isLabelled && annotations[nodeIdAnnotation] === written) return undefined
  return {
    ...node,
    metadata: {
      ...node.metadata,
      labels: { ...labels, ...segments },
      annotations: { ...annotations, [nodeIdAnnotation]: written },
    },
  }
}
