import { describeMessages } from '../plugins/messages.ts'
import { describeRpc } from '../plugins/rpc.ts'

/** The device-plugin protocol, v1beta1 (k8s.io/kubelet/pkg/apis/deviceplugin). */
const messages = describeMessages({
  Empty: '',
  DevicePluginOptions: 'preStartRequired 1 bool, getPreferredAllocationAvailable 2 bool',
  RegisterRequest: 'version 1 string, endpoint 2 string, resourceName 3 string, options 4 DevicePluginOptions',
  Device: 'id 1 string, health 2 string',
  ListAndWatchResponse: 'repeated devices 1 Device',
  PreStartContainerRequest: 'repeated deviceIds 1 string',
  ContainerPreferredAllocationRequest:
    'repeated availableDeviceIds 1 string, repeated mustIncludeDeviceIds 2 string, allocationSize 3 int32',
  PreferredAllocationRequest: 'repeated containerRequests 1 ContainerPreferredAllocationRequest',
  ContainerPreferredAllocationResponse: 'repeated deviceIds 1 string',
  PreferredAllocationResponse: 'repeated containerResponses 1 ContainerPreferredAllocationResponse',
  ContainerAllocateRequest: 'repeated deviceIds 1 string',
  AllocateRequest: 'repeated containerRequests 1 ContainerAllocateRequest',
  Mount: 'containerPath 1 string, hostPath 2 string, readOnly 3 bool',
  DeviceSpec: 'containerPath 1 string, hostPath 2 string, permissions 3 string',
  ContainerAllocateResponse:
    'map envs 1 string, repeated mounts 2 Mount, repeated devices 3 DeviceSpec, map annotations 4 string',
  AllocateResponse: 'repeated containerResponses 1 ContainerAllocateResponse',
})

export const deviceApiVersion = 'v1beta1'
export const healthy = 'Healthy'

export interface PluginOptions {
  readonly preStartRequired: boolean
  readonly getPreferredAllocationAvailable: boolean
}

export interface RegisterRequest {
  readonly version: string
  /** Name of the plugin's socket in the same directory. */
  readonly endpoint: string
  readonly resourceName: string
  readonly options: PluginOptions | null
}

/** What a container gets with its devices. */
export interface DeviceAccess {
  readonly envs: Readonly<Record<string, string>>
  readonly mounts: readonly { readonly containerPath: string; readonly hostPath: string; readonly readOnly: boolean }[]
  readonly devices: readonly {
    readonly containerPath: string
    readonly hostPath: string
    readonly permissions: string
  }[]
}

interface PreferredAllocationRequest {
  readonly containerRequests: readonly {
    readonly availableDeviceIds: readonly string[]
    readonly mustIncludeDeviceIds: readonly string[]
    readonly allocationSize: number
  }[]
}

type DeviceIds = { readonly deviceIds: readonly string[] }

const plugin = <Request extends object, Answer>(name: string, request: string, answer: string, streams = false) =>
  describeRpc<Request, Answer>(messages, `/v1beta1.DevicePlugin/${name}`, request, answer, streams)

export const registerDevicePlugin = describeRpc<RegisterRequest, object>(
  messages,
  '/v1beta1.Registration/Register',
  'RegisterRequest',
  'Empty',
)

export const devicePlugin = {
  getOptions: plugin<object, PluginOptions>('GetDevicePluginOptions', 'Empty', 'DevicePluginOptions'),
  listAndWatch: plugin<object, { devices: readonly { id: string; health: string }[] }>(
    'ListAndWatch',
    'Empty',
    'ListAndWatchResponse',
    true,
  ),
  getPreferredAllocation: plugin<PreferredAllocationRequest, { containerResponses: readonly DeviceIds[] }>(
    'GetPreferredAllocation',
    'PreferredAllocationRequest',
    'PreferredAllocationResponse',
  ),
  allocate: plugin<{ containerRequests: readonly DeviceIds[] }, { containerResponses: readonly DeviceAccess[] }>(
    'Allocate',
    'AllocateRequest',
    'AllocateResponse',
  ),
  preStartContainer: plugin<DeviceIds, object>('PreStartContainer', 'PreStartContainerRequest', 'Empty'),
}
