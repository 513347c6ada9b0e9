import { join } from 'node:path'
import type { Pod, SecurityContext } from '../../api/kinds.ts'
import type { ContainerConfig, Device, Mount, RuntimeContainer, RuntimeImage } from '../../runtime/runtime.ts'
import type { AnyContainer, ContainerKind } from '../core/pod-view.ts'
import { containerResources, oomScoreAdjust } from '../core/quality.ts'
import { ConfigError } from './container-env.ts'
import { expand } from './expansion.ts'

export interface ContainerConfigInput {
  readonly pod: Pod
  readonly container: AnyContainer
  readonly kind: ContainerKind
  readonly attempt: number
  readonly sandbox: Pick<RuntimeContainer, 'id' | 'pooled'>
  readonly image: RuntimeImage
  readonly env: ReadonlyMap<string, string>
  readonly hostname: string
  readonly mounts: readonly Mount[]
  readonly devices: readonly Device[]
  readonly memoryCapacityBytes: number
  readonly handler: string
  /** Of the container that an ephemeral one looks at (targetContainerName). */
  readonly targetId: string | undefined
  /** Content of a `Localhost` seccomp profile. */
  readonly seccompProfile: string | undefined
}

/** A container's spec in the runtime's words. Throws {@link ConfigError} for what cannot be granted. */
export function containerConfig(input: ContainerConfigInput): ContainerConfig {
  const { pod, container, sandbox, image, env } = input
  const spec = pod.spec ?? { containers: [] }
  const security = container.securityContext ?? {}
  const lookup = (name: string): string | undefined => env.get(name)
  const variables = new Map([['HOSTNAME', input.hostname], ...env])
  return {
    pod: {
      name: pod.metadata.name ?? '',
      namespace: pod.metadata.namespace ?? '',
      uid: pod.metadata.uid ?? '',
    },
    name: container.name,
    attempt: input.attempt,
    sandboxId: sandbox.id,
    image: image.id,
    imageRef: container.image ?? '',
    ...(container.command?.length ? { command: container.command.map((text) => expand(text, lookup)) } : {}),
    ...(container.args?.length ? { args: container.args.map((text) => expand(text, lookup)) } : {}),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    env: [...variables].map(([name, value]) => `${name}=${value}`),
    mounts: input.mounts,
    tmpfs: {},
    devices: input.devices,
    labels: {
      'io.kubernetes.container.terminationMessagePath': container.terminationMessagePath ?? '/dev/termination-log',
    },
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    hostNetwork: spec.hostNetwork === true,
    pidMode: pidMode(input),
    hostIpc: spec.hostIPC === true,
    ...userOf(input),
    groups: supplementalGroups(pod),
    privileged: security.privileged === true,
    readOnlyRootFilesystem: security.readOnlyRootFilesystem === true,
    capabilitiesAdd: security.capabilities?.add ?? [],
    capabilitiesDrop: security.capabilities?.drop ?? [],
    securityOptions: securityOptions(pod, security, input.seccompProfile),
    oomScoreAdjust: oomScoreAdjust(pod, container, input.memoryCapacityBytes),
    resources: containerResources(container, spec),
    handler: input.handler,
    ...(sandbox.pooled ? { hostname: input.hostname, imageDefaults: image } : {}),
    ...(container.lifecycle?.stopSignal ? { stopSignal: container.lifecycle.stopSignal } : {}),
  }
}

function pidMode({ pod, targetId }: ContainerConfigInput): ContainerConfig['pidMode'] {
  if (pod.spec?.hostPID) return 'host'
  if (pod.spec?.shareProcessNamespace) return 'pod'
  return targetId === undefined ? 'own' : { container: targetId }
}

const supplementalGroups = (pod: Pod): string[] => {
  const { supplementalGroups: groups = [], fsGroup } = pod.spec?.securityContext ?? {}
  return [...new Set([...groups, ...(fsGroup === undefined ? [] : [fsGroup])])].map(String)
}

function userOf({ pod, container, image }: ContainerConfigInput): { user?: string } {
  const ofPod = pod.spec?.securityContext ?? {}
  const own = container.securityContext ?? {}
  const uid = own.runAsUser ?? ofPod.runAsUser
  const gid = own.runAsGroup ?? ofPod.runAsGroup
  if (own.runAsNonRoot ?? ofPod.runAsNonRoot) checkNonRoot(pod, container.name, uid, image.user)
  if (uid === undefined && gid === undefined) return {}
  const name = uid === undefined ? (image.user.split(':')[0] ?? '') || '0' : String(uid)
  return { user: gid === undefined ? name : `${name}:${gid}` }
}

function checkNonRoot(pod: Pod, container: string, uid: number | undefined, imageUser: string): void {
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container})`
  if (uid !== undefined) {
    if (uid === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`)
    return
  }
  const name = imageUser.split(':')[0] ?? ''
  if (name === '' || name === '0') {
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`)
  }
  if (!/^\d+$/.test(name)) {
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${name}), cannot verify user is non-root ${where}`,
    )
  }
}

/** Without a profile seccomp is unconfined, as Kubernetes' default has it; Docker's own default is `RuntimeDefault`. */
function securityOptions(pod: Pod, security: SecurityContext, seccompProfile: string | undefined): string[] {
  const options: string[] = []
  if (security.allowPrivilegeEscalation === false) options.push('no-new-privileges')
  const seccomp = security.seccompProfile ?? pod.spec?.securityContext?.seccompProfile
  if (seccomp?.type === 'Localhost') {
    if (seccompProfile === undefined) throw new ConfigError(`cannot load seccomp profile ${seccomp.localhostProfile}`)
    options.push(`seccomp=${seccompProfile}`)
  } else if (seccomp?.type !== 'RuntimeDefault') options.push('seccomp=unconfined')
  const appArmor = security.appArmorProfile ?? pod.spec?.securityContext?.appArmorProfile
  if (appArmor?.type === 'Unconfined') options.push('apparmor=unconfined')
  if (appArmor?.type === 'Localhost') options.push(`apparmor=${appArmor.localhostProfile}`)
  const selinux = security.seLinuxOptions ?? pod.spec?.securityContext?.seLinuxOptions
  for (const key of ['user', 'role', 'type', 'level'] as const) {
    if (selinux?.[key]) options.push(`label=${key}:${selinux[key]}`)
  }
  if (security.procMount === 'Unmasked') options.push('systempaths=unconfined')
  return options
}

/** Mounts of a container's own volumes; `resolve` gives the path on the node of a volume's subPath. */
export async function volumeMounts(
  container: AnyContainer,
  env: ReadonlyMap<string, string>,
  mounted: ReadonlyMap<string, { path: string; readOnly: boolean; isDevice?: boolean }>,
  resolve: (root: string, subPath: string) => Promise<string>,
): Promise<Mount[]> {
  const result: Mount[] = []
  for (const mount of container.volumeMounts ?? []) {
    const volume = mounted.get(mount.name)
    if (volume === undefined) throw new ConfigError(`volume "${mount.name}" is not mounted`)
    if (volume.isDevice)
      throw new ConfigError(`volume ${mount.name} has volumeMode Block, but is specified in volumeMounts`)
    if (mount.recursiveReadOnly === 'Enabled') {
      throw new ConfigError(
        `volume ${mount.name} asks for a recursive read-only mount, which the runtime does not have`,
      )
    }
    const subPath = mount.subPathExpr ? expandSubPath(mount.subPathExpr, env) : mount.subPath
    result.push({
      source: subPath ? await resolve(volume.path, subPath) : volume.path,
      target: join('/', mount.mountPath),
      readOnly: mount.readOnly === true || volume.readOnly,
      propagation:
        mount.mountPropagation === 'Bidirectional'
          ? 'rshared'
          : mount.mountPropagation === 'HostToContainer'
            ? 'rslave'
            : 'rprivate',
    })
  }
  return result
}

function expandSubPath(expression: string, env: ReadonlyMap<string, string>): string {
  return expand(expression, (name) => {
    const value = env.get(name)
    if (!value) throw new ConfigError(`missing value for ${name}`)
    return value
  })
}
