import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pod } from '../../api/kinds.ts'
import type { Mount, RuntimeContainer } from '../../runtime/runtime.ts'
import type { Action } from '../core/decide.ts'
import { instancesOf } from '../core/pod-view.ts'
import { registryCredentials } from '../images/credentials.ts'
import { podPaths } from '../volumes/pod-paths.ts'
import type { MountedVolume } from '../volumes/pod-volumes.ts'
import { resolveSubPath } from '../volumes/sub-path.ts'
import { containerConfig, volumeMounts } from './container-config.ts'
import { ConfigError, containerEnv } from './container-env.ts'
import { setHostname } from './hostname.ts'
import { runHook } from './lifecycle-hook.ts'
import { podHostname } from './name-resolution.ts'
import { allServices, downwardFacts, runtimeHandler, say, sourcesFor, type PodContext } from './pod-context.ts'
import { serviceEnv } from './service-env.ts'

export type StartAction = Extract<Action, { do: 'start' }>

/** A container did not start: its waiting reason. */
export class StartError extends Error {
  override name = 'StartError'
  readonly reason: string

  constructor(reason: string, cause: Error) {
    super(cause.message, { cause })
    this.reason = reason
  }
}

/** Longest that a postStart hook may take before its container is given up. */
const postStartTimeoutMs = 30 * 60_000

/** Brings one container to run. Throws ImageError, {@link StartError}, or what the runtime throws when it is unreachable. */
export async function startContainer(
  context: PodContext,
  pod: Pod,
  action: StartAction,
  mounted: ReadonlyMap<string, MountedVolume>,
  observed: readonly RuntimeContainer[],
  signal: AbortSignal,
): Promise<void> {
  const { options, observer } = context
  const { runtime } = options
  const { container } = action
  const { uid = '', namespace = '' } = pod.metadata
  const sources = sourcesFor(options.informers, namespace)
  const secrets = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name = '' }) => sources.secret(name) ?? [])
  const image = await context.puller.ensure(
    {
      podUid: uid,
      image: container.image ?? '',
      policy: container.imagePullPolicy,
      credentials: registryCredentials(container.image ?? '', secrets),
      say: (type, reason, message) => say(context, pod, type, reason, message, container.name),
    },
    signal,
  )
  const config = await configure(context, pod, action, mounted, image).catch((error: Error) => {
    say(context, pod, 'Warning', 'Failed', `Error: ${error.message}`, container.name)
    throw new StartError('CreateContainerConfigError', error)
  })
  const started = await context.limit(async () => {
    await removeOld(context, observed, container.name)
    const id = await runtime.createContainer(config, signal).catch((error: Error) => {
      say(context, pod, 'Warning', 'Failed', `Error: ${error.message}`, container.name)
      throw new StartError('CreateContainerError', error)
    })
    say(context, pod, 'Normal', 'Created', `Created container: ${container.name}`, container.name)
    try {
      // Not aborted half-way: the container must be seen as it is afterwards.
      return await runtime.start(id)
    } catch (error) {
      await observer.refresh(id).catch(() => undefined)
      say(context, pod, 'Warning', 'Failed', `Error: ${(error as Error).message}`, container.name)
      throw new StartError('RunContainerError', error as Error)
    }
  })
  if (action.sandbox.pooled && started.pid > 0) await setHostname(started.pid, hostnameOf(context, pod)).catch(() => {})
  say(context, pod, 'Normal', 'Started', `Started container ${container.name}`, container.name)
  await observer.refresh(started.id)
  await postStart(context, pod, action, started.id, signal)
}

const hostnameOf = (context: PodContext, pod: Pod): string =>
  podHostname(pod, context.options.clusterDomain, context.nodeHostname).hostname

async function configure(
  context: PodContext,
  pod: Pod,
  action: StartAction,
  mounted: ReadonlyMap<string, MountedVolume>,
  image: Parameters<typeof containerConfig>[0]['image'],
) {
  const { options } = context
  const { container } = action
  const namespace = pod.metadata.namespace ?? ''
  const sources = sourcesFor(options.informers, namespace)
  const services = serviceEnv(allServices(options.informers), namespace, pod.spec?.enableServiceLinks !== false)
  const env = containerEnv(pod, container, services, sources, downwardFacts(context, pod))
  const own = await volumeMounts(container, env, mounted, resolveSubPath)
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
    handler: runtimeHandler(options.informers, pod),
    targetId: targetInstance?.state === 'running' ? targetInstance.id : undefined,
    seccompProfile: await localSeccomp(context, pod, container),
  })
}

async function localSeccomp(
  context: PodContext,
  pod: Pod,
  container: StartAction['container'],
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
  { container, attempt }: StartAction,
  own: readonly Mount[],
): Promise<Mount[]> {
  const paths = podPaths(context.options.dataDir, pod.metadata.uid ?? '')
  const log = paths.terminationLog(container.name, attempt)
  await mkdir(dirname(log), { recursive: true })
  await writeFile(log, '', { mode: 0o666 })
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

/** Of ended instances only the newest is kept, for `logs --previous` and lastState. */
async function removeOld(context: PodContext, observed: readonly RuntimeContainer[], name: string): Promise<void> {
  const [, ...older] = instancesOf({ observed }, name)
  for (const instance of older) {
    if (instance.state === 'running') continue
    await context.options.runtime.remove(instance.id)
    await context.observer.refresh(instance.id)
  }
}

async function postStart(
  context: PodContext,
  pod: Pod,
  { container }: StartAction,
  containerId: string,
  signal: AbortSignal,
): Promise<void> {
  const handler = container.lifecycle?.postStart
  if (!handler) return
  const { runtime, clock } = context.options
  const host = downwardFacts(context, pod).podIp ?? context.options.nodeIp
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(postStartTimeoutMs)])
    await runHook(handler, { runtime, clock, container, containerId, host }, limited)
  } catch (error) {
    if (signal.aborted) throw error
    const message = `PostStartHook failed: ${(error as Error).message}`
    say(context, pod, 'Warning', 'FailedPostStartHook', message, container.name)
    say(context, pod, 'Normal', 'Killing', 'FailedPostStartHook', container.name)
    await runtime.stop(containerId, (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000)
    await context.observer.refresh(containerId)
    throw new StartError('PostStartHookError', new Error(message))
  }
}
