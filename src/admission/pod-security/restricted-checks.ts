import type { Volume } from '../../api/kinds.ts'
import { allContainers, containersText, isWindows, quoted, type PodCheck } from './check.ts'

const allowedVolumes = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
])

const volumeType = (volume: Volume): string => Object.keys(volume).find((key) => key !== 'name') ?? 'unknown'

/** Controls of the restricted level beyond those of baseline, by id. */
export const restrictedChecks: readonly PodCheck[] = [
  {
    id: 'allowPrivilegeEscalation',
    check(spec) {
      if (isWindows(spec)) return undefined
      const bad = allContainers(spec).filter((one) => one.securityContext?.allowPrivilegeEscalation !== false)
      return bad.length
        ? {
            reason: 'allowPrivilegeEscalation != false',
            detail: `${containersText(bad)} must set securityContext.allowPrivilegeEscalation=false`,
          }
        : undefined
    },
  },
  {
    id: 'capabilities_restricted',
    overrides: 'capabilities_baseline',
    check(spec) {
      if (isWindows(spec)) return undefined
      const found: string[] = []
      const keeping = allContainers(spec).filter((one) => !one.securityContext?.capabilities?.drop?.includes('ALL'))
      if (keeping.length) found.push(`${containersText(keeping)} must set securityContext.capabilities.drop=["ALL"]`)
      const forbidden = (one: (typeof spec.containers)[number]): string[] =>
        (one.securityContext?.capabilities?.add ?? []).filter((capability) => capability !== 'NET_BIND_SERVICE')
      const adding = allContainers(spec).filter((one) => forbidden(one).length > 0)
      if (adding.length) {
        const which = [...new Set(adding.flatMap(forbidden))].toSorted()
        found.push(`${containersText(adding)} must not include ${quoted(which)} in securityContext.capabilities.add`)
      }
      return found.length ? { reason: 'unrestricted capabilities', detail: found.join('; ') } : undefined
    },
  },
  {
    id: 'restrictedVolumes',
    overrides: 'hostPathVolumes',
    check(spec) {
      const bad = (spec.volumes ?? []).filter((volume) => !allowedVolumes.has(volumeType(volume)))
      if (bad.length === 0) return undefined
      const types = [...new Set(bad.map(volumeType))].toSorted()
      const names = quoted(bad.map(({ name }) => name))
      return {
        reason: 'restricted volume types',
        detail: `${bad.length === 1 ? 'volume' : 'volumes'} ${names} ${bad.length === 1 ? 'uses' : 'use'} restricted volume type${types.length === 1 ? '' : 's'} ${quoted(types)}`,
      }
    },
  },
  {
    id: 'runAsNonRoot',
    check(spec) {
      // A user namespace of its own makes root in the container nobody outside of it.
      if (spec.hostUsers === false) return undefined
      const podSays = spec.securityContext?.runAsNonRoot
      const explicit = allContainers(spec).filter((one) => one.securityContext?.runAsNonRoot === false)
      const silent = allContainers(spec).filter((one) => one.securityContext?.runAsNonRoot === undefined)
      if (explicit.length) {
        return {
          reason: 'runAsNonRoot != true',
          detail: `${containersText(explicit)} must not set securityContext.runAsNonRoot=false`,
        }
      }
      if (silent.length && podSays === false) {
        return { reason: 'runAsNonRoot != true', detail: 'pod must not set securityContext.runAsNonRoot=false' }
      }
      return silent.length && !podSays
        ? {
            reason: 'runAsNonRoot != true',
            detail: `pod or ${containersText(silent)} must set securityContext.runAsNonRoot=true`,
          }
        : undefined
    },
  },
  {
    id: 'runAsUser',
    check(spec) {
      if (spec.hostUsers === false) return undefined
      const found: string[] = []
      if (spec.securityContext?.runAsUser === 0) found.push('pod must not set runAsUser=0')
      const bad = allContainers(spec).filter((one) => one.securityContext?.runAsUser === 0)
      if (bad.length) found.push(`${containersText(bad)} must not set runAsUser=0`)
      return found.length ? { reason: 'runAsUser=0', detail: found.join(' and ') } : undefined
    },
  },
  {
    id: 'seccompProfile_restricted',
    overrides: 'seccompProfile_baseline',
    check(spec) {
      if (isWindows(spec)) return undefined
      const good = (type: string | undefined): boolean => type === 'RuntimeDefault' || type === 'Localhost'
      const types = '"RuntimeDefault" or "Localhost"'
      const podType = spec.securityContext?.seccompProfile?.type
      const explicit = allContainers(spec).filter((one) => {
        const type = one.securityContext?.seccompProfile?.type
        return type !== undefined && !good(type)
      })
      const silent = allContainers(spec).filter((one) => one.securityContext?.seccompProfile?.type === undefined)
      const found: string[] = []
      if (podType !== undefined && !good(podType)) {
        found.push(`pod must not set securityContext.seccompProfile.type to ${JSON.stringify(podType)}`)
      }
      if (explicit.length) {
        const bad = [...new Set(explicit.map((one) => one.securityContext?.seccompProfile?.type ?? ''))]
        found.push(`${containersText(explicit)} must not set securityContext.seccompProfile.type to ${quoted(bad)}`)
      }
      if (found.length === 0 && silent.length && !good(podType)) {
        found.push(`pod or ${containersText(silent)} must set securityContext.seccompProfile.type to ${types}`)
      }
      return found.length ? { reason: 'seccompProfile', detail: found.join(' and ') } : undefined
    },
  },
]
