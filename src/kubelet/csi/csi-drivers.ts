import type { CSINode, Node } from '../../api/kinds.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs, type Client } from '../../client/client.ts'
import type { Logger } from '../../lib/log.ts'
import type { PluginHandler } from '../plugins/plugin-registry.ts'
import { connectPlugin, type PluginConnection } from '../plugins/rpc.ts'
import { csiNode } from './csi-api.ts'
import { labelledNode, newCsiNode, withDriver, withoutDriver } from './csi-node-object.ts'

export interface CsiDriversOptions {
  readonly nodeName: string
  readonly client: Client
  readonly logger: Logger
  /** Pods may wait for this driver. */
  readonly onChange: () => void
}

/** A driver that has registered with this node. */
export interface CsiDriverConnection extends PluginConnection {
  /** Numbers of NodeServiceCapability.RPC.Type. */
  readonly capabilities: ReadonlySet<number>
}

/** The storage drivers of this node. */
export interface CsiDrivers {
  readonly handler: PluginHandler
  get(driver: string): CsiDriverConnection | undefined
  /** Makes the node's CSINode, which the scheduler asks whether a driver is there at all. */
  publishNode(): Promise<void>
  close(): void
}

const callTimeoutMs = 10_000
/** A driver's name is a domain's. */
const validName = /^[a-zA-Z0-9]([-a-zA-Z0-9.]{0,61}[a-zA-Z0-9])?$/

export function createCsiDrivers({ nodeName, client, logger, onChange }: CsiDriversOptions): CsiDrivers {
  const drivers = new Map<string, CsiDriverConnection>()

  async function ensureCsiNode(): Promise<void> {
    try {
      await client.get<CSINode>(refs.csiNodes, '', nodeName)
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error
      const node = await client.get<Node>(refs.nodes, '', nodeName)
      await client.create(refs.csiNodes, newCsiNode(nodeName, node.metadata.uid ?? '')).catch((failure: unknown) => {
        if (!isStatus(failure, 'AlreadyExists')) throw failure
      })
    }
  }

  function forget(driver: string): void {
    drivers.get(driver)?.close()
    drivers.delete(driver)
  }

  return {
    handler: {
      async register({ name, supportedVersions }, endpoint) {
        if (!validName.test(name)) throw new Error(`invalid driver name ${JSON.stringify(name)}`)
        if (!supportedVersions.some((version) => /^v?1(\.|$)/.test(version))) {
          throw new Error(
            `none of the CSI versions reported by this driver are supported: ${supportedVersions.join(', ')}`,
          )
        }
        const connection = connectPlugin(endpoint)
        try {
          const info = await connection.call(csiNode.getInfo, {}, callTimeoutMs)
          const { capabilities } = await connection.call(csiNode.getCapabilities, {}, callTimeoutMs)
          await client.mutate<Node>(refs.nodes, '', nodeName, (node) => labelledNode(node, { driver: name, info }))
          await ensureCsiNode()
          await client.mutate<CSINode>(refs.csiNodes, '', nodeName, (one) => withDriver(one, { driver: name, info }))
          forget(name)
          drivers.set(name, {
            ...connection,
            capabilities: new Set(capabilities.map(({ rpc }) => rpc?.type ?? 0)),
          })
        } catch (error) {
          connection.close()
          throw error
        }
        onChange()
      },

      async unregister({ name }) {
        forget(name)
        await client
          .mutate<CSINode>(refs.csiNodes, '', nodeName, (one) => withoutDriver(one, name))
          .catch((error: unknown) => {
            // It is put right when the driver comes back; until then mounts say that it is not there.
            logger.warn({ driver: name, error: (error as Error).message }, 'driver could not be taken from the CSINode')
          })
      },
    },
    get: (driver) => drivers.get(driver),
    publishNode: ensureCsiNode,
    close() {
      for (const driver of drivers.keys()) forget(driver)
    },
  }
}
