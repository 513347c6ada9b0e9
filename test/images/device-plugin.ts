import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerWritableStream } from '@grpc/grpc-js'
import { connectPlugin } from '../../src/kubelet/plugins/rpc.ts'
import { answerCall, serveRpcs } from '../../src/kubelet/plugins/serve.ts'
import { devicePlugin, registerDevicePlugin } from '../../src/kubelet/devices/device-api.ts'

/** A device plugin whose devices are all /dev/null under names of their own. */
export interface TestDevicePlugin {
  /** What it was called with, in order: method and device ids. */
  readonly calls: readonly string[]
  /** By id: Healthy or Unhealthy. Told to the kubelet at once. */
  setHealth(id: string, health: string): void
  register(): Promise<void>
  fail(words: string | undefined): void
  stop(): Promise<void>
}

type Ids = { deviceIds: readonly string[] }

export async function startTestDevicePlugin(
  directory: string,
  resourceName: string,
  ids: readonly string[],
): Promise<TestDevicePlugin> {
  const calls: string[] = []
  const health = new Map(ids.map((id) => [id, 'Healthy']))
  const watchers = new Set<ServerWritableStream<object, object>>()
  const endpoint = `${resourceName.replace('/', '-')}.sock`
  const options = { preStartRequired: true, getPreferredAllocationAvailable: true }
  let words: string | undefined

  const tell = (watcher: ServerWritableStream<object, object>): void =>
    void watcher.write({ devices: [...health].map(([id, state]) => ({ id, health: state })) })
  const accessTo = (deviceIds: readonly string[]) => ({
    envs: { TEST_DEVICES: deviceIds.join(',') },
    mounts: [{ containerPath: '/opt/device', hostPath: directory, readOnly: true }],
    devices: deviceIds.map((id) => ({ containerPath: `/dev/test-${id}`, hostPath: '/dev/null', permissions: 'rw' })),
  })

  const handlers = {
    getOptions: answerCall(async () => options),
    listAndWatch(watcher: ServerWritableStream<object, object>) {
      watchers.add(watcher)
      watcher.on('cancelled', () => watchers.delete(watcher))
      tell(watcher)
    },
    // The last ones first: what a kubelet without ears would not choose.
    getPreferredAllocation: answerCall(
      async ({
        containerRequests,
      }: {
        containerRequests: { availableDeviceIds: string[]; allocationSize: number }[]
      }) => ({
        containerResponses: containerRequests.map(({ availableDeviceIds, allocationSize }) => ({
          deviceIds: availableDeviceIds.toSorted().toReversed().slice(0, allocationSize),
        })),
      }),
    ),
    allocate: answerCall(async ({ containerRequests }: { containerRequests: Ids[] }) => {
      if (words !== undefined) throw new Error(words)
      for (const { deviceIds } of containerRequests) calls.push(`allocate ${deviceIds.join(',')}`)
      return { containerResponses: containerRequests.map(({ deviceIds }) => accessTo(deviceIds)) }
    }),
    preStartContainer: answerCall(async ({ deviceIds }: Ids) => {
      calls.push(`preStart ${deviceIds.join(',')}`)
      return {}
    }),
  }
  const socket = join(directory, endpoint)
  await rm(socket, { force: true })
  const server = await serveRpcs(devicePlugin as never, handlers, socket)

  async function register(): Promise<void> {
    const kubelet = connectPlugin(join(directory, 'kubelet.sock'))
    try {
      await kubelet.call(registerDevicePlugin, { version: 'v1beta1', endpoint, resourceName, options }, 5_000)
    } finally {
      kubelet.close()
    }
  }

  await register()
  return {
    calls,
    setHealth(id, state) {
      health.set(id, state)
      watchers.forEach(tell)
    },
    register,
    fail: (next) => void (words = next),
    async stop() {
      await server.stop()
    },
  }
}
