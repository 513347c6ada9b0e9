import type { Pod, PodSpec, PodTemplateSpec, Toleration } from '../../../src/api/kinds.ts'
import { humanDuration } from '../../../src/lib/duration.ts'
import { containerLines } from './containers.ts'
import { eventLines } from './events.ts'
import {
  annotationLines,
  controllerOf,
  type DescribeContext,
  fullTime,
  indent,
  labelLines,
  multiline,
} from './lines.ts'
import { volumeLines } from './volumes.ts'

export function describePod(pod: Pod, context: DescribeContext): string[] {
  const { metadata, spec, status } = pod
  const node = spec?.nodeName ? `${spec.nodeName}/${status?.hostIP ?? ''}` : '<none>'
  const controller = controllerOf(pod)
  return [
    `Name:\t${metadata.name ?? ''}`,
    `Namespace:\t${metadata.namespace ?? ''}`,
    `Priority:\t${spec?.priority ?? 0}`,
    ...(spec?.priorityClassName ? [`Priority Class Name:\t${spec.priorityClassName}`] : []),
    ...(spec?.runtimeClassName ? [`Runtime Class Name:\t${spec.runtimeClassName}`] : []),
    `Service Account:\t${spec?.serviceAccountName ?? ''}`,
    `Node:\t${node}`,
    ...(status?.startTime ? [`Start Time:\t${fullTime(status.startTime)}`] : []),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    ...phaseLines(pod, context.nowMs),
    ...(status?.reason ? [`Reason:\t${status.reason}`] : []),
    ...(status?.message ? [`Message:\t${status.message}`] : []),
    ...(spec?.securityContext?.seccompProfile ? [`SeccompProfile:\t${spec.securityContext.seccompProfile.type}`] : []),
    `IP:\t${status?.podIP ?? ''}`,
    ...addressLines(pod),
    ...(controller ? [`Controlled By:\t${controller}`] : []),
    ...(status?.nominatedNodeName ? [`NominatedNodeName:\t${status.nominatedNodeName}`] : []),
    ...(spec?.initContainers?.length
      ? containerLines('Init Containers', spec.initContainers, { pod, statuses: status?.initContainerStatuses ?? [] })
      : []),
    ...containerLines('Containers', spec?.containers ?? [], { pod, statuses: status?.containerStatuses ?? [] }),
    ...(spec?.ephemeralContainers?.length
      ? containerLines('Ephemeral Containers', spec.ephemeralContainers, {
          pod,
          statuses: status?.ephemeralContainerStatuses ?? [],
        })
      : []),
    ...(spec?.readinessGates?.length
      ? [
          'Readiness Gates:',
          '  Type\tStatus',
          ...spec.readinessGates.map(
            ({ conditionType }) =>
              `  ${conditionType}\t${status?.conditions?.find((one) => one.type === conditionType)?.status ?? '<none>'} `,
          ),
        ]
      : []),
    ...(status?.conditions?.length
      ? ['Conditions:', '  Type\tStatus', ...status.conditions.map((one) => `  ${one.type} \t${one.status} `)]
      : []),
    ...volumeLines(spec?.volumes),
    `QoS Class:\t${status?.qosClass ?? ''}`,
    ...placementLines(spec),
    ...eventLines(context),
  ]
}

function phaseLines({ metadata, status }: Pod, nowMs: number): string[] {
  if (!metadata.deletionTimestamp) return [`Status:\t${status?.phase ?? ''}`]
  const sinceMs = nowMs - Date.parse(metadata.deletionTimestamp)
  return [
    `Status:\tTerminating${sinceMs > 0 ? ` (lasts ${humanDuration(sinceMs)})` : ''}`,
    `Termination Grace Period:\t${metadata.deletionGracePeriodSeconds ?? 0}s`,
  ]
}

const addressLines = ({ status }: Pod): string[] =>
  status?.podIPs?.length ? ['IPs:', ...status.podIPs.map(({ ip }) => `  IP:\t${ip}`)] : ['IPs:\t<none>']

export function placementLines(spec: PodSpec | undefined): string[] {
  return [
    ...labelLines('Node-Selectors', spec?.nodeSelector),
    ...tolerationLines(spec?.tolerations),
    ...topologyLines(spec),
  ]
}

function tolerationLines(tolerations: readonly Toleration[] = []): string[] {
  const texts = tolerations
    .toSorted((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : 1))
    .map(({ key = '', operator, value, effect, tolerationSeconds }) => {
      const target = `${key}${value ? `=${value}` : ''}${effect ? `:${effect}` : ''}`
      const op = operator === 'Exists' && !value ? (target ? ' op=Exists' : 'op=Exists') : ''
      return `${target}${op}${tolerationSeconds === undefined ? '' : ` for ${tolerationSeconds}s`}`
    })
  return multiline('Tolerations', texts)
}

function topologyLines(spec: PodSpec | undefined): string[] {
  const texts = (spec?.topologySpreadConstraints ?? []).map(
    ({ topologyKey, whenUnsatisfiable, maxSkew, labelSelector }) => {
      const labels = Object.entries(labelSelector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
      return `${topologyKey}:${whenUnsatisfiable} when max skew ${maxSkew} is exceeded${labels.length > 0 ? ` for selector ${labels.join(',')}` : ''}`
    },
  )
  return texts.length > 0 ? multiline('Topology Spread Constraints', texts) : []
}

/** `Pod Template:` of a workload. */
export function templateLines(template: PodTemplateSpec | undefined, title = 'Pod Template'): string[] {
  if (!template) return [`${title}:\t<unset>`]
  const { metadata, spec } = template
  return [
    `${title}:`,
    ...indent(1, [
      ...labelLines('Labels', metadata?.labels),
      ...(Object.keys(metadata?.annotations ?? {}).length > 0 ? annotationLines(metadata?.annotations) : []),
      ...(spec?.serviceAccountName ? [`Service Account:\t${spec.serviceAccountName}`] : []),
      ...(spec?.initContainers?.length ? containerLines('Init Containers', spec.initContainers, { statuses: [] }) : []),
      ...containerLines('Containers', spec?.containers ?? [], { statuses: [] }),
      ...volumeLines(spec?.volumes, true),
      ...(spec?.priorityClassName ? [`Priority Class Name:\t${spec.priorityClassName}`] : []),
      ...placementLines(spec),
    ]),
  ]
}
