import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pod } from '../../api/kinds.ts'
import { RuntimeError, type Mount, type RuntimeContainer, type RuntimeImage } from '../../runtime/runtime.ts'
import type { Action } from '../core/decide.ts'
import { instancesOf } from '../core/pod-view.ts'
import { imageCredentials } from '../images/credentials.ts'
import type { ImageWanted } from '../images/image-puller.ts'
import { podPaths } from '../volumes/pod-paths.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { resolveSubPath } from '../volumes/sub-path.ts'
import { blockDevices, deviceMounts, grantedDevices } from './container-devices.ts'
import { containerConfig, volumeMounts } from './container-config.ts'
import { ConfigError, containerEnv } from './container-env.ts'
import { envFileKey, envFileValue, readEnvFiles } from './env-file.ts'
import { podHostname } from './name-resolution.ts'
import { allServices, downwardFacts, runtimeHandler, say, sourcesFor, type PodContext } from './pod-context.ts'
import { serviceEnv } from './service-env.ts'

export type StartAction = Extract<Action, { do: 'start' }>

/** What creating needs of a start: its sandbox need not run yet. */
export interface CreateAction extends Pick<StartAction, 'container' | 'kind' | 'attempt'> {
  readonly sandbox: Pick<RuntimeContainer, 'id' | 'pooled'>
}

/** A container did not start: its waiting reason. */
export class StartError extends Error {
  override name = 'StartError'
  readonly reason: string

  constructor(reason: string, cause: Error) {
    super(cause.message, { cause })
    this.reason = reason
  }
}

/** What the puller is asked for on behalf of a container. */
export const imageWanted = (context: PodContext, pod: Pod, container: CreateAction['container']): ImageWanted => ({
  podUid: pod.metadata.uid ?? '',
  image: container.image ?? '',
  policy: container.imagePullPolicy,
  credentials: imageCredentials(context.options.informers, pod, container.image ?? ''),
  say: (type, reason, message) => say(context, pod, type, reason, message, container.name),
})

/** Creates the container; its id. Throws {@link StartError}, or what the runtime throws when it is unreachable. */
export async function createContainer(
  context: PodContext,
  pod: Pod,
  action: CreateAction,
  mounted: ReadonlyMap<string, MountedVolume>,
  image: RuntimeImage,
  signal: AbortSignal,
): Promise<string> {
  const { container } = action
  const fail = (reason: string) => (error: Error) => {
    say(context, pod, 'Warning', 'Failed', `Error: ${error.message}`, container.name)
    throw new StartError(reason, error)
  }
  const config = await configure(context, pod, action, mounted, image).catch(fail('CreateContainerConfigError'))
  const id = await context.options.runtime.createContainer(config, signal).catch(async (error: Error) => {
    // An instance that was not known of has its name: it is looked at before anything else is decided.
    if (error instanceof RuntimeError && error.containerId) await context.observer.refresh(error.containerId)
    return fail('CreateContainerError')(error)
  })
  say(context, pod, 'Normal', 'Created', `Created container: ${container.name}`, container.name)
  return id
}

const hostnameOf = (context: PodContext, pod: Pod): string =>
  podHostname(pod, context.options.clusterDomain, context.nodeHostname).hostname

async function configure(
  context: PodContext,
  pod: Pod,
  action: CreateAction,
  mounted: ReadonlyMap<string, MountedVolume>,
  image: RuntimeImage,
) {
  const { options } = context
  const { container } = action
  const namespace = pod.metadata.namespace ?? ''
  const sources = sourcesFor(options.informers, namespace)
  const services = serviceEnv(allServices(options.informers), namespace, pod.spec?.enableServiceLinks !== false)
  const files = await readEnvFiles(container, mounted)
  const fileValue = (volume: string, path: string, key: string): string | undefined =>
    envFileValue(files.get(envFileKey(volume, path)) ?? '', key)
  const env = containerEnv(pod, container, services, { ...sources, fileValue }, downwardFacts(context, pod))
  const uid = pod.metadata.uid ?? ''
  await context.devices.beforeStart(uid, container.name)
  const granted = context.devices.accessOf(uid, container.name)
  for (const { envs } of granted) for (const [name, value] of Object.entries(envs)) env.set(name, value)
  const own = [...(await volumeMounts(container, env, mounted, resolveSubPath)), ...deviceMounts(granted)]
  const target = 'targetContainerName' in container ? container.targetContainerName : undefined
  const targetInstance = target
    ? instancesOf({ observed: context.observer.of(pod.metadata.uid ?? '') }, target)[0]
    : undefined
  return containerConfig({
    pod,
    container,
    kind: action.kind,
    attempt: action.attempt,
    sandbox: action.sandbox,
    image,
    env,
    hostname: hostnameOf(context, pod),
    mounts: [...own, ...(await identityMounts(context, pod, action, own))],
    memoryCapacityBytes: context.memoryCapacityBytes,
    devices: [...blockDevices(container, mounted), ...grantedDevices(granted)],
    handler: runtimeHandler(options.informers, pod),
    targetId: targetInstance?.state === 'running' ? targetInstance.id : undefined,
    seccompProfile: await localSeccomp(context, pod, container),
  })
}

async function localSeccomp(
  context: PodContext,
  pod: Pod,
  container: CreateAction['container'],
): Promise<string | undefined> {
  const profile = container.securityContext?.seccompProfile ?? pod.spec?.securityContext?.seccompProfile
  if (profile?.type !== 'Localhost' || !profile.localhostProfile) return undefined
  const path = profile.localhostProfile
  if (path.startsWith('/') || path.split('/').includes('..')) throw new ConfigError(`invalid localhostProfile ${path}`)
  return readFile(join(context.options.dataDir, 'seccomp', path), 'utf8')
}

/** The files that every container gets, unless a volume of its own is mounted there. */
async function identityMounts(
  context: PodContext,
  pod: Pod,
  { container, attempt }: CreateAction,
  own: readonly Mount[],
): Promise<Mount[]> {
  const paths = podPaths(context.options.dataDir, pod.metadata.uid ?? '')
  const log = paths.terminationLog(container.name, attempt)
  await mkdir(dirname(log), { recursive: true })
  await writeFile(log, '')
  // Whatever user the container runs as may write it; a mode given at creation is cut by the umask.
  await chmod(log, 0o666)
  const readOnly = container.securityContext?.readOnlyRootFilesystem === true
  const files: [string, string, boolean][] = [
    [paths.etcHosts, '/etc/hosts', readOnly],
    [paths.resolvConf, '/etc/resolv.conf', readOnly],
    [paths.hostname, '/etc/hostname', true],
    [log, container.terminationMessagePath || '/dev/termination-log', false],
  ]
  return files
    .filter(([, target]) => !own.some((mount) => mount.target === target))
    .map(([source, target, isReadOnly]) => ({ source, target, readOnly: isReadOnly, propagation: 'rprivate' as const }))
}
