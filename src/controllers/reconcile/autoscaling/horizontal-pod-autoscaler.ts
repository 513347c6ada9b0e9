import type {
  Deployment,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  Pod,
} from '../../../api/kinds.ts'
import type { GroupResource } from '../../../api/object.ts'
import { refs } from '../../../client/client.ts'
import { formatQuantity, quantityMilliValue, quantityOfMilli, quantityValue } from '../../../lib/quantity.ts'
import {
  type Action,
  type Controller,
  keyOf,
  nothing,
  type Plan,
  referenceTo,
  splitKey,
  type View,
} from '../../controller.ts'
import { sameJson } from '../../../lib/same-json.ts'
import { timestamp } from '../timestamp.ts'
import { eventAction, mutateAction, selectedBy, selfWatch, statusAction } from '../workload.ts'
import { type History, limit, type PodUsage, prune, recommend, type Recommendation } from './recommendation.ts'

/** The newest measurement of a pod that this node has heard of; undefined when there is none. */
export type UsageSource = (namespace: string, podName: string) => PodUsage | undefined

const ref = refs.horizontalPodAutoscalers
/** --horizontal-pod-autoscaler-sync-period */
const syncMs = 15_000

const targets: Readonly<Record<string, GroupResource>> = {
  Deployment: refs.deployments,
  ReplicaSet: refs.replicaSets,
  StatefulSet: refs.statefulSets,
  ReplicationController: refs.replicationControllers,
}

/**
 * Sizes workloads by what their pods use (autoscaling/v2, Resource and ContainerResource metrics of cpu and memory).
 * What was recommended and done before is remembered for one term; a new leader starts its windows anew.
 */
export function horizontalPodAutoscalerController(usage: UsageSource): Controller {
  const histories = new Map<string, History>()
  return {
    name: 'horizontalpodautoscaler',
    watches: [selfWatch(ref)],
    keys: (view) => view.list<HorizontalPodAutoscaler>(ref).map(keyOf),
    plan(key, view, nowMs) {
      const { namespace, name } = splitKey(key)
      const autoscaler = view.get<HorizontalPodAutoscaler>(ref, namespace, name)
      if (!autoscaler || autoscaler.metadata.deletionTimestamp) {
        histories.delete(key)
        return nothing
      }
      const history = prune(histories.get(key) ?? { recommendations: [], changes: [] }, nowMs)
      histories.set(key, history)
      return { ...planAutoscaler(autoscaler, view, nowMs, usage, history), requeueAfterMs: syncMs }
    },
  }
}

type Scaled = Pick<Deployment, 'apiVersion' | 'kind' | 'metadata' | 'spec'>

function planAutoscaler(
  autoscaler: HorizontalPodAutoscaler,
  view: View,
  nowMs: number,
  usage: UsageSource,
  history: History,
): Plan {
  const { scaleTargetRef, maxReplicas, minReplicas = 1 } = autoscaler.spec
  const { namespace = '' } = autoscaler.metadata
  const targetRef = targets[scaleTargetRef.kind]
  const target = targetRef && view.get<Scaled>(targetRef, namespace, scaleTargetRef.name)
  const set = conditionSetter(autoscaler, nowMs)
  if (!target) {
    const message = `the HPA controller was unable to get the target's current scale: ${scaleTargetRef.kind} "${scaleTargetRef.name}" not found`
    return finish(autoscaler, {}, [set('AbleToScale', 'False', 'FailedGetScale', message)])
  }
  const able = set('AbleToScale', 'True', 'ReadyForNewScale', 'recommended size matches current size')
  const current = target.spec?.replicas ?? 1
  const sizes = { currentReplicas: current, desiredReplicas: current }
  if (current === 0)
    return finish(autoscaler, sizes, [
      set('AbleToScale', 'True', 'SucceededGetScale', "the HPA controller was able to get the target's current scale"),
      set(
        'ScalingActive',
        'False',
        'ScalingDisabled',
        'scaling is disabled since the replica count of the target is zero',
      ),
    ])
  const pods = podsOf(target, view)
  const metrics = autoscaler.spec.metrics ?? []
  const judged = metrics.map((metric) => ({ metric, result: judge(metric, pods, current, autoscaler, usage) }))
  const valid = judged.flatMap(({ metric, result }) => (result ? [{ metric, result }] : []))
  const isOutside = current > maxReplicas || current < minReplicas
  if (valid.length === 0 && !isOutside) {
    const name = metrics[0]?.resource?.name ?? metrics[0]?.containerResource?.name ?? ''
    const message = `the HPA was unable to compute the replica count: failed to get ${name} utilization: did not receive metrics for targeted pods (pods might be unready)`
    return finish(autoscaler, sizes, [able, set('ScalingActive', 'False', 'FailedGetResourceMetric', message)])
  }
  const best = valid.toSorted((a, b) => b.result.replicas - a.result.replicas)[0]
  // With a metric missing nothing shrinks: it might have asked for more.
  const asked = best?.result.replicas ?? current
  const wanted = valid.length < metrics.length ? Math.max(asked, current) : asked
  const { replicas, limitedBy } = limit(autoscaler, current, wanted, history, nowMs)
  history.recommendations.push({ atMs: nowMs, replicas: wanted })
  const active = set(
    'ScalingActive',
    'True',
    'ValidMetricFound',
    `the HPA was able to successfully calculate a replica count from ${metricName(best?.metric)} resource utilization (percentage of request)`,
  )
  const limited = limitedBy
    ? set('ScalingLimited', 'True', limitedBy.reason, limitedBy.message)
    : set('ScalingLimited', 'False', 'DesiredWithinRange', 'the desired count is within the acceptable range')
  const currentMetrics = valid.map(({ metric, result }) => metricStatus(metric, result))
  if (replicas === current) return finish(autoscaler, { ...sizes, currentMetrics }, [able, active, limited])
  history.changes.push({ atMs: nowMs, by: replicas - current })
  const reason = `${metricName(best?.metric)} resource utilization (percentage of request) ${replicas > current ? 'above' : 'below'} target`
  const scaled = set(
    'AbleToScale',
    'True',
    'SucceededRescale',
    `the HPA controller was able to update the target scale to ${replicas}`,
  )
  const resize = mutateAction(targetRef, target, (one) => ({ ...one, spec: { ...one.spec!, replicas } }))
  const news = eventAction(
    referenceTo(autoscaler),
    'Normal',
    'SuccessfulRescale',
    `New size: ${replicas}; reason: ${reason}`,
  )
  return finish(
    autoscaler,
    { currentReplicas: current, desiredReplicas: replicas, currentMetrics, lastScaleTime: timestamp(nowMs) },
    [scaled, active, limited],
    [resize, news],
  )
}

function podsOf(target: Scaled, view: View): Pod[] {
  const { selector } = target.spec ?? {}
  const wanted =
    target.kind === 'ReplicationController' ? { matchLabels: selector as Record<string, string> } : selector
  return selectedBy<Pod>(view, refs.pods, target.metadata.namespace ?? '', wanted)
}

/** One metric's opinion; undefined for what cannot be measured here (custom and external metrics). */
function judge(
  metric: MetricSpec,
  pods: readonly Pod[],
  current: number,
  { spec }: HorizontalPodAutoscaler,
  usage: UsageSource,
): Recommendation | undefined {
  const source = metric.resource ?? metric.containerResource
  if (!source) return undefined
  const { name, target } = source
  const only = metric.containerResource?.container
  const containers = (pod: Pod) =>
    (pod.spec?.containers ?? []).filter((container) => only === undefined || container.name === only)
  const toNumber = (text: string | number): number => (name === 'cpu' ? quantityMilliValue(text) : quantityValue(text))
  const tolerance = (text: string | number | undefined): number =>
    text === undefined ? 0.1 : quantityMilliValue(text) / 1000
  return recommend(
    pods,
    current,
    {
      usageOf(pod) {
        const measured = usage(pod.metadata.namespace ?? '', pod.metadata.name ?? '')
        const amounts = containers(pod).map((container) => measured?.[container.name]?.[name])
        return amounts.every((one) => one !== undefined) ? amounts.reduce((sum, one) => sum + one, 0) : undefined
      },
      targetOf: (pod) =>
        amountWanted(target, toNumber, () => {
          const requests = containers(pod).map((container) => container.resources?.requests?.[name])
          return requests.every((one) => one !== undefined)
            ? requests.reduce<number>((sum, one) => sum + toNumber(one), 0)
            : undefined
        }),
    },
    { up: tolerance(spec.behavior?.scaleUp?.tolerance), down: tolerance(spec.behavior?.scaleDown?.tolerance) },
  )
}

function amountWanted(
  target: MetricTarget,
  toNumber: (text: string | number) => number,
  requested: () => number | undefined,
): number | undefined {
  if (target.averageValue !== undefined) return toNumber(target.averageValue)
  const request = requested()
  return request === undefined || target.averageUtilization === undefined
    ? undefined
    : (request * target.averageUtilization) / 100
}

const metricName = (metric: MetricSpec | undefined): string =>
  metric?.resource?.name ?? metric?.containerResource?.name ?? ''

function metricStatus(metric: MetricSpec, { averageUsage, utilization }: Recommendation): MetricStatus {
  const source = (metric.resource ?? metric.containerResource)!
  const milli = source.name === 'cpu' ? Math.round(averageUsage) : Math.round(averageUsage) * 1000
  const percent = source.target.averageUtilization
  const current = {
    averageValue: formatQuantity(quantityOfMilli(milli)),
    ...(percent === undefined ? {} : { averageUtilization: Math.round(utilization * percent) }),
  }
  return metric.containerResource
    ? {
        type: metric.type,
        containerResource: { name: source.name, container: metric.containerResource.container, current },
      }
    : { type: metric.type, resource: { name: source.name, current } }
}

function conditionSetter(autoscaler: HorizontalPodAutoscaler, nowMs: number) {
  return (type: string, status: string, reason: string, message: string): HorizontalPodAutoscalerCondition => {
    const before = autoscaler.status?.conditions?.find((one) => one.type === type)
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(nowMs)
    return { type, status, reason, message, lastTransitionTime }
  }
}

function finish(
  autoscaler: HorizontalPodAutoscaler,
  part: Partial<HorizontalPodAutoscalerStatus>,
  conditions: readonly HorizontalPodAutoscalerCondition[],
  actions: readonly Action[] = [],
): Plan {
  const before = autoscaler.status
  const kept = (before?.conditions ?? []).filter((one) => !conditions.some((other) => other.type === one.type))
  const order = ['AbleToScale', 'ScalingActive', 'ScalingLimited']
  const status: HorizontalPodAutoscalerStatus = {
    ...before,
    desiredReplicas: before?.desiredReplicas ?? 0,
    ...part,
    conditions: [...kept, ...conditions].toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type)),
    observedGeneration: autoscaler.metadata.generation ?? 0,
  }
  return { actions: sameJson(status, before) ? [...actions] : [...actions, statusAction(ref, autoscaler, status)] }
}
