import type { Service } from '../../../api/kinds.ts'
import { dns1035Label } from '../../meta/names.ts'
import { traits } from '../../traits.ts'
import { serviceColumns } from './printer.ts'
import { validateService, validateServiceUpdate } from './validate.ts'

/** How long a client sticks to one pod under ClientIP affinity. */
const defaultAffinitySeconds = 10_800

export const serviceTraits = traits<Service>({
  group: '',
  resource: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  nameRule: dns1035Label,
  columns: serviceColumns,
  selectable: ({ spec }) => ({ 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' }),
  strategy: {
    prepareForCreate(service) {
      service.status = { loadBalancer: {} }
    },
    applyDefaults(service) {
      const spec = (service.spec ??= {})
      spec.type ||= 'ClusterIP'
      spec.sessionAffinity ||= 'None'
      if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
      else if (spec.sessionAffinity === 'ClientIP' && !spec.sessionAffinityConfig?.clientIP?.timeoutSeconds) {
        spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: defaultAffinitySeconds } }
      }
      for (const port of spec.ports ?? []) {
        port.protocol ||= 'TCP'
        if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '')
          port.targetPort = port.port
      }
      const isReachableFromOutside = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
      if (isReachableFromOutside || (spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0)) {
        spec.externalTrafficPolicy ||= 'Cluster'
      }
      if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ||= 'Cluster'
      if (spec.type === 'LoadBalancer') {
        spec.allocateLoadBalancerNodePorts ??= true
        for (const one of service.status?.loadBalancer?.ingress ?? []) if (one.ip) one.ipMode ??= 'VIP'
      }
    },
    validate: validateService,
    validateUpdate: validateServiceUpdate,
  },
})
