import type { Pod } from '../../../api/kinds.ts'
import { keepPart } from '../../compose.ts'
import { traits } from '../../traits.ts'
import { defaultPodOnlySpec, defaultPodSpec } from './defaults.ts'
import { podColumns } from './printer.ts'
import { qosClassOf } from './qos.ts'
import { validatePod } from './validate.ts'
import {
  validateEphemeralUpdate,
  validatePodStatusUpdate,
  validatePodUpdate,
  validateResize,
} from './validate-update.ts'

export const podTraits = traits<Pod>({
  group: '',
  resource: 'pods',
  shortNames: ['po'],
  categories: ['all'],
  columns: podColumns,
  hasGeneration: true,
  selectable: ({ spec, status }) => ({
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.restartPolicy': spec?.restartPolicy ?? '',
    'spec.schedulerName': spec?.schedulerName ?? '',
    'spec.serviceAccountName': spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(spec?.hostNetwork ?? false),
    'status.phase': status?.phase ?? '',
    'status.podIP': status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  }),
  strategy: {
    prepareForCreate(pod) {
      pod.status = { phase: 'Pending' }
      if (pod.spec) pod.status.qosClass = qosClassOf(pod.spec)
      if ((pod.spec?.schedulingGates?.length ?? 0) > 0) {
        pod.status.conditions = [
          {
            type: 'PodScheduled',
            status: 'False',
            reason: 'SchedulingGated',
            message: 'Scheduling is blocked due to non-empty scheduling gates',
          },
        ]
      }
    },
    applyDefaults({ spec }) {
      if (!spec) return
      defaultPodSpec(spec)
      defaultPodOnlySpec(spec)
    },
    validate: validatePod,
    validateUpdate: validatePodUpdate,
  },
  subresourceStrategies: {
    status: {
      prepareForUpdate(pod, old) {
        // The class follows from the spec and is never taken from the kubelet.
        if (pod.status && old.status?.qosClass) pod.status.qosClass = old.status.qosClass
      },
      validateUpdate: validatePodStatusUpdate,
    },
    ephemeralcontainers: {
      prepareForUpdate(pod, old) {
        const { ephemeralContainers } = pod.spec ?? {}
        keepPart(pod, old, 'spec')
        keepPart(pod, old, 'status')
        if (pod.spec && ephemeralContainers) pod.spec.ephemeralContainers = ephemeralContainers
      },
      validateUpdate: validateEphemeralUpdate,
    },
    resize: {
      prepareForUpdate(pod, old) {
        keepPart(pod, old, 'status')
      },
      validateUpdate: validateResize,
    },
  },
})
