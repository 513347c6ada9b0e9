import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  csiNode,
  nodeCapabilities,
  type ExpandRequest,
  type PublishRequest,
  type StageRequest,
} from '../../src/kubelet/csi/csi-api.ts'
import { answerCall, serveRpcs, type RpcServer } from '../../src/kubelet/plugins/serve.ts'
import { registrationApi } from '../../src/kubelet/plugins/registration-api.ts'
import { exec, execOk } from '../../src/lib/exec.ts'

export interface TestCsiDriverOptions {
  readonly name: string
  /** The kubelet's root directory, as the driver sees it. */
  readonly root: string
  readonly nodeId?: string
  readonly topology?: Readonly<Record<string, string>>
  readonly capabilities?: readonly number[]
}

/** A storage driver that keeps each volume in a directory of its own and mounts it where it is asked to. */
export interface TestCsiDriver {
  /** What it was called with, in order: method and request. */
  readonly calls: readonly { readonly method: string; readonly request: Readonly<Record<string, unknown>> }[]
  /** What the kubelet answered to its registration. */
  readonly registered: () => boolean
  /** Lets calls of this method wait until the answer is called. */
  hold(method: string): () => void
  /** Fails calls of this method with the words, until undefined is given. */
  fail(method: string, words: string | undefined): void
  stop(): Promise<void>
}

/** A loop device that nobody has set up: it can be seen, and not be opened. */
const blockDevice = ['7', '200']

const bind = async (source: string, target: string, readOnly: boolean): Promise<void> => {
  await mkdir(target, { recursive: true })
  if ((await exec('mountpoint', ['-q', target])).code === 0) return
  await execOk('mount', ['--bind', source, target])
  if (readOnly) await execOk('mount', ['-o', 'remount,bind,ro', target])
}

const unbind = async (target: string): Promise<void> => {
  await exec('umount', [target])
  await rm(target, { recursive: true, force: true })
}

export async function startTestCsiDriver(options: TestCsiDriverOptions): Promise<TestCsiDriver> {
  const { name, root, topology = {}, capabilities = [nodeCapabilities.stageUnstage, nodeCapabilities.expand] } = options
  const calls: { method: string; request: Record<string, unknown> }[] = []
  const failing = new Map<string, string>()
  const holding = new Map<string, Promise<void>>()
  let isRegistered = false
  const home = join(root, 'plugins', name)
  const volumes = join(home, 'volumes')
  const backing = (id: string): string => join(volumes, id.replaceAll('/', '_'))

  /** Records the call, and fails it where it is to fail. */
  const handler = <Request extends object>(method: string, answer: (request: Request) => Promise<object>) =>
    answerCall<Request, object>(async (request) => {
      calls.push({ method, request: request as Record<string, unknown> })
      const words = failing.get(method)
      if (words !== undefined) throw new Error(words)
      await holding.get(method)
      return answer(request)
    })

  const sourceOf = async (request: PublishRequest): Promise<string> => {
    if (request.stagingTargetPath !== '') return request.stagingTargetPath
    await mkdir(backing(request.volumeId), { recursive: true, mode: 0o777 })
    return backing(request.volumeId)
  }

  const rpcs = {
    getCapabilities: csiNode.getCapabilities,
    stage: csiNode.stage,
    unstage: csiNode.unstage,
    publish: csiNode.publish,
    unpublish: csiNode.unpublish,
    expand: csiNode.expand,
    nodeInfo: csiNode.getInfo,
    pluginInfo: registrationApi.getInfo,
    registered: registrationApi.notifyRegistrationStatus,
  } as never
  const handlers = {
    nodeInfo: handler('nodeInfo', async () => ({
      nodeId: options.nodeId ?? 'node-1',
      maxVolumesPerNode: 16,
      accessibleTopology: { segments: topology },
    })),
    pluginInfo: handler('pluginInfo', async () => ({
      type: 'CSIPlugin',
      name,
      endpoint: join(home, 'csi.sock'),
      supportedVersions: ['1.0.0'],
    })),
    registered: handler('registered', async ({ pluginRegistered }: { pluginRegistered: boolean }) => {
      isRegistered = pluginRegistered
      return {}
    }),
    getCapabilities: handler('getCapabilities', async () => ({
      capabilities: capabilities.map((type) => ({ rpc: { type } })),
    })),
    stage: handler('stage', async ({ volumeId, stagingTargetPath }: StageRequest) => {
      await mkdir(backing(volumeId), { recursive: true, mode: 0o777 })
      await bind(backing(volumeId), stagingTargetPath, false)
      return {}
    }),
    unstage: handler('unstage', async ({ stagingTargetPath }: { stagingTargetPath: string }) => {
      await unbind(stagingTargetPath)
      return {}
    }),
    publish: handler('publish', async (request: PublishRequest) => {
      if (request.volumeCapability.block) {
        await execOk('mknod', [request.targetPath, 'b', ...blockDevice])
        return {}
      }
      await bind(await sourceOf(request), request.targetPath, request.readonly)
      return {}
    }),
    unpublish: handler('unpublish', async ({ targetPath }: { targetPath: string }) => {
      await unbind(targetPath)
      return {}
    }),
    expand: handler('expand', async ({ capacityRange }: ExpandRequest) => ({
      capacityBytes: capacityRange.requiredBytes,
    })),
  }
  const servers: RpcServer[] = []
  await mkdir(volumes, { recursive: true })
  const registration = join(root, 'plugins_registry', `${name}-reg.sock`)
  await mkdir(join(root, 'plugins_registry'), { recursive: true })
  for (const path of [join(home, 'csi.sock'), registration]) {
    await rm(path, { force: true })
    servers.push(await serveRpcs(rpcs, handlers, path))
  }
  return {
    calls,
    registered: () => isRegistered,
    hold(method) {
      const { promise, resolve } = Promise.withResolvers<void>()
      holding.set(method, promise)
      return () => {
        holding.delete(method)
        resolve()
      }
    },
    fail: (method, words) => void (words === undefined ? failing.delete(method) : failing.set(method, words)),
    async stop() {
      for (const server of servers) await server.stop()
    },
  }
}
