import { describeMessages } from './messages.ts'
import { describeRpc } from './rpc.ts'

/** How plugins make themselves known through sockets in `plugins_registry` (upstream pluginregistration/v1). */
const messages = describeMessages({
  InfoRequest: '',
  PluginInfo: 'type 1 string, name 2 string, endpoint 3 string, repeated supportedVersions 4 string',
  RegistrationStatus: 'pluginRegistered 1 bool, error 2 string',
  RegistrationStatusResponse: '',
})

export interface PluginInfo {
  /** `CSIPlugin`, `DevicePlugin`, `DRAPlugin`. */
  readonly type: string
  readonly name: string
  /** Its socket, where that is another one. */
  readonly endpoint: string
  readonly supportedVersions: readonly string[]
}

export const registrationApi = {
  getInfo: describeRpc<object, PluginInfo>(
    messages,
    '/pluginregistration.Registration/GetInfo',
    'InfoRequest',
    'PluginInfo',
  ),
  notifyRegistrationStatus: describeRpc<{ pluginRegistered: boolean; error: string }, object>(
    messages,
    '/pluginregistration.Registration/NotifyRegistrationStatus',
    'RegistrationStatus',
    'RegistrationStatusResponse',
  ),
}
