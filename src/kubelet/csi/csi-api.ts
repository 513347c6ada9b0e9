import { describeMessages } from '../plugins/messages.ts'
import { describeRpc } from '../plugins/rpc.ts'

/** The node's part of the Container Storage Interface, v1 (container-storage-interface/spec). */
const messages = describeMessages({
  Empty: '',
  Topology: 'map segments 1 string',
  NodeGetInfoResponse: 'nodeId 1 string, maxVolumesPerNode 2 int64, accessibleTopology 3 Topology',
  NodeServiceCapability: 'rpc 1 NodeServiceRpc',
  NodeServiceRpc: 'type 1 int32',
  NodeGetCapabilitiesResponse: 'repeated capabilities 1 NodeServiceCapability',
  AccessMode: 'mode 1 int32',
  BlockVolume: '',
  MountVolume: 'fsType 1 string, repeated mountFlags 2 string, volumeMountGroup 3 string',
  VolumeCapability: 'block 1 BlockVolume, mount 2 MountVolume, accessMode 3 AccessMode',
  NodeStageVolumeRequest: `volumeId 1 string, map publishContext 2 string, stagingTargetPath 3 string,
    volumeCapability 4 VolumeCapability, map secrets 5 string, map volumeContext 6 string`,
  NodeUnstageVolumeRequest: 'volumeId 1 string, stagingTargetPath 2 string',
  NodePublishVolumeRequest: `volumeId 1 string, map publishContext 2 string, stagingTargetPath 3 string,
    targetPath 4 string, volumeCapability 5 VolumeCapability, readonly 6 bool, map secrets 7 string,
    map volumeContext 8 string`,
  NodeUnpublishVolumeRequest: 'volumeId 1 string, targetPath 2 string',
  CapacityRange: 'requiredBytes 1 int64, limitBytes 2 int64',
  NodeExpandVolumeRequest: `volumeId 1 string, volumePath 2 string, capacityRange 3 CapacityRange,
    stagingTargetPath 4 string, volumeCapability 5 VolumeCapability, map secrets 6 string`,
  NodeExpandVolumeResponse: 'capacityBytes 1 int64',
})

type Context = Readonly<Record<string, string>>

/** Numbers of NodeServiceCapability.RPC.Type. */
export const nodeCapabilities = {
  stageUnstage: 1,
  getVolumeStats: 2,
  expand: 3,
  singleNodeMultiWriter: 5,
  volumeMountGroup: 6,
} as const

export interface VolumeCapability {
  readonly block?: object
  readonly mount?: {
    readonly fsType: string
    readonly mountFlags: readonly string[]
    readonly volumeMountGroup: string
  }
  readonly accessMode: { readonly mode: number }
}

export interface NodeInfo {
  readonly nodeId: string
  /** 0: as many as there may be. */
  readonly maxVolumesPerNode: number
  readonly accessibleTopology: { readonly segments: Context } | null
}

export interface StageRequest {
  readonly volumeId: string
  readonly publishContext: Context
  readonly stagingTargetPath: string
  readonly volumeCapability: VolumeCapability
  readonly secrets: Context
  readonly volumeContext: Context
}

export interface PublishRequest extends StageRequest {
  readonly targetPath: string
  readonly readonly: boolean
}

export interface ExpandRequest {
  readonly volumeId: string
  readonly volumePath: string
  readonly capacityRange: { readonly requiredBytes: number; readonly limitBytes: number }
  readonly stagingTargetPath: string
  readonly volumeCapability: VolumeCapability
  readonly secrets: Context
}

const node = <Request extends object, Answer = object>(name: string, request: string, answer = 'Empty') =>
  describeRpc<Request, Answer>(messages, `/csi.v1.Node/${name}`, request, answer)

export const csiNode = {
  getInfo: node<object, NodeInfo>('NodeGetInfo', 'Empty', 'NodeGetInfoResponse'),
  getCapabilities: node<object, { capabilities: readonly { rpc: { type: number } | null }[] }>(
    'NodeGetCapabilities',
    'Empty',
    'NodeGetCapabilitiesResponse',
  ),
  stage: node<StageRequest>('NodeStageVolume', 'NodeStageVolumeRequest'),
  unstage: node<{ volumeId: string; stagingTargetPath: string }>('NodeUnstageVolume', 'NodeUnstageVolumeRequest'),
  publish: node<PublishRequest>('NodePublishVolume', 'NodePublishVolumeRequest'),
  unpublish: node<{ volumeId: string; targetPath: string }>('NodeUnpublishVolume', 'NodeUnpublishVolumeRequest'),
  expand: node<ExpandRequest, { capacityBytes: number }>(
    'NodeExpandVolume',
    'NodeExpandVolumeRequest',
    'NodeExpandVolumeResponse',
  ),
}
