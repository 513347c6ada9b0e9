import type { SELinuxOptions } from '../../api/kinds.ts'
import { allContainers, byContainers, containersText, nounText, quoted, type PodCheck } from './check.ts'

const allowedCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])
const allowedSelinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'])
const allowedSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
])

/** Controls of the baseline level, by id. */
export const baselineChecks: readonly PodCheck[] = [
  {
    id: 'appArmorProfile',
    check(spec, metadata) {
      const found: string[] = []
      if (spec.securityContext?.appArmorProfile?.type === 'Unconfined') {
        found.push('pod must not set AppArmor profile type to "Unconfined"')
      }
      const bad = allContainers(spec).filter((one) => one.securityContext?.appArmorProfile?.type === 'Unconfined')
      if (bad.length) found.push(`${containersText(bad)} must not set AppArmor profile type to "Unconfined"`)
      for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
        if (!key.startsWith('container.apparmor.security.beta.kubernetes.io/')) continue
        if (value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/')) {
          found.push(`annotation ${JSON.stringify(`${key}=${value}`)}`)
        }
      }
      return found.length
        ? {
            reason: found.length === 1 ? 'forbidden AppArmor profile' : 'forbidden AppArmor profiles',
            detail: found.join(', '),
          }
        : undefined
    },
  },
  {
    id: 'capabilities_baseline',
    check(spec) {
      const forbidden = (one: (typeof spec.containers)[number]): string[] =>
        (one.securityContext?.capabilities?.add ?? []).filter((capability) => !allowedCapabilities.has(capability))
      const bad = allContainers(spec).filter((one) => forbidden(one).length > 0)
      const which = [...new Set(bad.flatMap(forbidden))].toSorted()
      return bad.length
        ? {
            reason: 'non-default capabilities',
            detail: `${containersText(bad)} must not include ${quoted(which)} in securityContext.capabilities.add`,
          }
        : undefined
    },
  },
  {
    id: 'hostNamespaces',
    check(spec) {
      const found = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name])
      return found.length
        ? { reason: 'host namespaces', detail: found.map((name) => `${name}=true`).join(', ') }
        : undefined
    },
  },
  {
    id: 'hostPathVolumes',
    check(spec) {
      const bad = (spec.volumes ?? []).filter((volume) => volume.hostPath)
      return bad.length
        ? {
            reason: 'hostPath volumes',
            detail: nounText(
              'volume',
              bad.map(({ name }) => name),
            ),
          }
        : undefined
    },
  },
  {
    id: 'hostPorts',
    check(spec) {
      const bad = allContainers(spec).filter((one) => one.ports?.some((port) => port.hostPort))
      const ports = [
        ...new Set(bad.flatMap((one) => (one.ports ?? []).flatMap((port) => port.hostPort || []))),
      ].toSorted((left, right) => left - right)
      return bad.length
        ? {
            reason: 'hostPort',
            detail: `${containersText(bad)} ${bad.length === 1 ? 'uses' : 'use'} hostPort${ports.length === 1 ? '' : 's'} ${ports.join(', ')}`,
          }
        : undefined
    },
  },
  {
    id: 'hostProbesAndHostLifecycle',
    check(spec) {
      const bad = allContainers(spec).filter((one) => {
        const handlers = [
          one.livenessProbe,
          one.readinessProbe,
          one.startupProbe,
          one.lifecycle?.postStart,
          one.lifecycle?.preStop,
        ]
        return handlers.some((handler) => handler?.httpGet?.host || handler?.tcpSocket?.host)
      })
      return bad.length
        ? {
            reason: 'probe or lifecycle host',
            detail: `${containersText(bad)} must not set a host in probes or lifecycle handlers`,
          }
        : undefined
    },
  },
  {
    id: 'privileged',
    check: byContainers(
      'privileged',
      (one) => one.securityContext?.privileged === true,
      (which) => `${which} must not set securityContext.privileged=true`,
    ),
  },
  {
    id: 'procMount',
    check(spec) {
      if (spec.hostUsers === false) return undefined
      const mount = (one: (typeof spec.containers)[number]): string => one.securityContext?.procMount ?? 'Default'
      const bad = allContainers(spec).filter((one) => mount(one) !== 'Default')
      return bad.length
        ? {
            reason: 'procMount',
            detail: `${containersText(bad)} must not set securityContext.procMount to ${quoted([...new Set(bad.map(mount))])}`,
          }
        : undefined
    },
  },
  {
    id: 'seLinuxOptions',
    check(spec) {
      const found: string[] = []
      const placed: [string, SELinuxOptions | undefined][] = [
        ['pod', spec.securityContext?.seLinuxOptions],
        ...allContainers(spec).map((one): [string, SELinuxOptions | undefined] => [
          containersText([one]),
          one.securityContext?.seLinuxOptions,
        ]),
      ]
      for (const [who, options] of placed) {
        if (!options) continue
        const bad: string[] = []
        if (!allowedSelinuxTypes.has(options.type ?? '')) bad.push(`type ${JSON.stringify(options.type)}`)
        if (options.user) bad.push('user may not be set')
        if (options.role) bad.push('role may not be set')
        if (bad.length) found.push(`${who} set forbidden securityContext.seLinuxOptions: ${bad.join('; ')}`)
      }
      return found.length ? { reason: 'seLinuxOptions', detail: found.join('; ') } : undefined
    },
  },
  {
    id: 'seccompProfile_baseline',
    check(spec) {
      const found: string[] = []
      const text = 'must not set securityContext.seccompProfile.type to "Unconfined"'
      if (spec.securityContext?.seccompProfile?.type === 'Unconfined') found.push(`pod ${text}`)
      const bad = allContainers(spec).filter((one) => one.securityContext?.seccompProfile?.type === 'Unconfined')
      if (bad.length) found.push(`${containersText(bad)} ${text}`)
      return found.length ? { reason: 'seccompProfile', detail: found.join(' and ') } : undefined
    },
  },
  {
    id: 'sysctls',
    check(spec) {
      const bad = (spec.securityContext?.sysctls ?? [])
        .map(({ name }) => name)
        .filter((name) => !allowedSysctls.has(name))
      return bad.length ? { reason: 'forbidden sysctls', detail: bad.join(', ') } : undefined
    },
  },
  {
    id: 'windowsHostProcess',
    check(spec) {
      const found: string[] = []
      if (spec.securityContext?.windowsOptions?.hostProcess) found.push('pod')
      const bad = allContainers(spec).filter((one) => one.securityContext?.windowsOptions?.hostProcess)
      if (bad.length) found.push(containersText(bad))
      return found.length
        ? {
            reason: 'hostProcess',
            detail: `${found.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`,
          }
        : undefined
    },
  },
]
