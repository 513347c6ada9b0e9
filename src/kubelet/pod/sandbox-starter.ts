import { mkdir } from 'node:fs/promises'
import { normalize } from 'node:path'
import type { Pod, PodSecurityContext, SecurityContext } from '../../api/kinds.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import { containersOf } from '../core/pod-view.ts'
import type { HostPort } from '../options.ts'
import { replaceFile } from '../replace-file.ts'
import { podPaths } from '../volumes/pod-paths.ts'
import { etcHosts, formatResolvConf, podHostname, podResolver } from './name-resolution.ts'
import { runtimeHandler, secondPodIp, type PodContext } from './pod-context.ts'

/** Runs the pod's sandbox (or takes the one that runs), gives it its network and writes the files that name it. */
export async function startSandbox(
  context: PodContext,
  pod: Pod,
  attempt: number,
  running: RuntimeContainer | undefined,
  signal: AbortSignal,
  onCreated: (sandbox: Pick<RuntimeContainer, 'id' | 'pooled'>) => void,
): Promise<void> {
  const { options, podIps } = context
  const { uid = '', name = '', namespace = '' } = pod.metadata
  // Docker maps users for the whole daemon, or not at all.
  if (pod.spec?.hostUsers === false) {
    throw new Error('the container runtime does not support user namespaces, which hostUsers: false asks for')
  }
  const hostname = podHostname(pod, options.clusterDomain, context.nodeHostname)
  // The files are there before their containers are created, and say the address before these start.
  await writeIdentity(context, pod)
  const sandbox = running ?? (await newSandbox(context, pod, attempt, hostname.hostname, signal, onCreated))
  if (!pod.spec?.hostNetwork) {
    const { ip } = await options.podNetwork.attach({
      podUid: uid,
      pid: sandbox.pid,
      namespace,
      name,
      hostPorts: hostPorts(pod),
    })
    podIps.set(uid, ip)
  }
  await writeIdentity(context, pod)
  await context.observer.refresh(sandbox.id)
}

async function newSandbox(
  context: PodContext,
  pod: Pod,
  attempt: number,
  hostname: string,
  signal: AbortSignal,
  onCreated: (sandbox: Pick<RuntimeContainer, 'id' | 'pooled'>) => void,
): Promise<RuntimeContainer> {
  const { spec = { containers: [] }, metadata } = pod
  const sysctls = Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value]))
  return context.options.runtime.runSandbox(
    {
      pod: { name: metadata.name ?? '', namespace: metadata.namespace ?? '', uid: metadata.uid ?? '' },
      attempt,
      hostname,
      hostNetwork: spec.hostNetwork === true,
      hostPid: spec.hostPID === true,
      hostIpc: spec.hostIPC === true,
      sysctls,
      handler: runtimeHandler(context.options.informers, pod),
      needsIdentity: needsIdentity(pod),
    },
    signal,
    onCreated,
  )
}

/**
 * Containers of a pooled sandbox wait for their name behind a gate. A security profile of the user's own might forbid
 * the gate's few calls, and a volume over /dev hides it: such pods get a sandbox of their own.
 */
function needsIdentity(pod: Pod): boolean {
  const isLocal = (security: SecurityContext | PodSecurityContext | undefined): boolean =>
    security?.seccompProfile?.type === 'Localhost' || security?.appArmorProfile?.type === 'Localhost'
  const containers = containersOf(pod.spec ?? { containers: [] }).map(({ container }) => container)
  return (
    isLocal(pod.spec?.securityContext) ||
    containers.some(
      ({ securityContext, volumeMounts = [] }) =>
        isLocal(securityContext) || volumeMounts.some(({ mountPath }) => normalize(`${mountPath}/`) === '/dev/'),
    )
  )
}

/** /etc/hosts, /etc/resolv.conf and /etc/hostname of the pod's containers. */
async function writeIdentity(context: PodContext, pod: Pod): Promise<void> {
  const { options } = context
  const paths = podPaths(options.dataDir, pod.metadata.uid ?? '')
  const hostname = podHostname(pod, options.clusterDomain, context.nodeHostname)
  const cluster = { dns: options.clusterDns, domain: options.clusterDomain }
  const resolver = podResolver(pod, cluster, await context.nodeResolver())
  const ip = context.podIps.get(pod.metadata.uid ?? '') ?? options.nodeIp
  const second = secondPodIp(context, pod.metadata.uid ?? '')
  const nodeHosts = pod.spec?.hostNetwork ? await context.nodeHosts() : ''
  await mkdir(paths.root, { recursive: true, mode: 0o750 })
  await replaceFile(paths.etcHosts, etcHosts(pod, hostname, [ip, ...(second ? [second] : [])], nodeHosts), 0o644)
  await replaceFile(paths.resolvConf, formatResolvConf(resolver), 0o644)
  await replaceFile(paths.hostname, `${hostname.hostname}\n`, 0o644)
}

function hostPorts(pod: Pod): HostPort[] {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  return all
    .flatMap((container) => container.ports ?? [])
    .filter((port) => port.hostPort)
    .map((port) => ({
      hostIp: port.hostIP ?? '',
      hostPort: port.hostPort ?? 0,
      containerPort: port.containerPort,
      protocol: (port.protocol ?? 'TCP') as HostPort['protocol'],
    }))
}
