import type { Container, Pod, PodSpec, Toleration } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { sameValue } from '../../meta/validate.ts'
import { qosClassOf } from './qos.ts'
import { validateEphemeralContainers } from './validate-container.ts'
import { validateResources } from './validate-resources.ts'

const allowedFields =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** A pod is what was scheduled: little of it may change afterwards (core/validation.ValidatePodUpdate). */
export function validatePodUpdate(pod: Pod, old: Pod): FieldError[] {
  const { spec, spec: next } = pod
  const before = old.spec
  if (!next || !before || !spec) return []
  const wrong: FieldError[] = []
  if ((next.containers?.length ?? 0) !== (before.containers?.length ?? 0)) {
    wrong.push(fieldErrors.forbidden('spec.containers', 'pod updates may not add or remove containers'))
  }
  if ((next.initContainers?.length ?? 0) !== (before.initContainers?.length ?? 0)) {
    wrong.push(fieldErrors.forbidden('spec.initContainers', 'pod updates may not add or remove containers'))
  }
  if (wrong.length > 0) return wrong
  wrong.push(...validateDeadline(next, before), ...validateGates(pod, old))
  if (!keepsTolerations(next.tolerations, before.tolerations)) {
    wrong.push(
      fieldErrors.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'),
    )
  }
  const isGated = (before.schedulingGates?.length ?? 0) > 0
  if (!sameValue(frozenPart(next, isGated), frozenPart(before, isGated))) {
    wrong.push(fieldErrors.forbidden('spec', `pod updates may not change fields other than ${allowedFields}`))
  }
  return wrong
}

function validateDeadline(next: PodSpec, before: PodSpec): FieldError[] {
  const at = 'spec.activeDeadlineSeconds'
  const seconds = next.activeDeadlineSeconds
  if (before.activeDeadlineSeconds === undefined) return []
  if (seconds === undefined) {
    return [fieldErrors.invalid(at, null, 'must not update from a positive integer to nil value')]
  }
  return seconds > before.activeDeadlineSeconds
    ? [fieldErrors.invalid(at, seconds, `must be less than or equal to previous value`)]
    : []
}

function validateGates(pod: Pod, old: Pod): FieldError[] {
  const gates = pod.spec?.schedulingGates ?? []
  const before = new Set((old.spec?.schedulingGates ?? []).map(({ name }) => name))
  return gates.flatMap(({ name }, index) =>
    before.has(name)
      ? []
      : [
          fieldErrors.forbidden(
            `spec.schedulingGates[${index}]`,
            'only deletion is allowed, but found new scheduling gate',
          ),
        ],
  )
}

/** Every old toleration is still there; only the seconds may differ. */
function keepsTolerations(next: readonly Toleration[] = [], before: readonly Toleration[] = []): boolean {
  const keyOf = ({ tolerationSeconds: _seconds, ...rest }: Toleration) =>
    JSON.stringify(Object.entries(rest).toSorted())
  const kept = new Set(next.map(keyOf))
  return before.every((toleration) => kept.has(keyOf(toleration)))
}

/** What must be equal: the spec without the fields that have rules of their own. */
function frozenPart(spec: PodSpec, isGated: boolean): object {
  const withoutImages = (containers: readonly Container[] | undefined) =>
    containers?.map((one) => ({ ...one, image: '' }))
  const frozen: Record<string, unknown> = {
    ...spec,
    containers: withoutImages(spec.containers),
    initContainers: withoutImages(spec.initContainers),
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    schedulingGates: undefined,
    // A decision of the scheduler is made by binding, and that has rules of its own.
    terminationGracePeriodSeconds:
      spec.terminationGracePeriodSeconds === 1 ? undefined : negativeGrace(spec.terminationGracePeriodSeconds),
  }
  if (isGated) {
    // Nobody has looked at a gated pod yet: where it may go can still be narrowed (KEP-3838).
    frozen['nodeSelector'] = undefined
    frozen['affinity'] = undefined
  }
  return frozen
}

const negativeGrace = (seconds: number | undefined) => (seconds !== undefined && seconds < 0 ? undefined : seconds)

/** /status: the kubelet cannot move a pod, nor bring a finished container back to life. */
export function validatePodStatusUpdate(pod: Pod, old: Pod): FieldError[] {
  const wrong: FieldError[] = []
  if ((pod.spec?.nodeName ?? '') !== (old.spec?.nodeName ?? '')) {
    wrong.push(fieldErrors.forbidden('spec.nodeName', 'may not be changed directly'))
  }
  const policy = old.spec?.restartPolicy
  if (policy === 'Always' || mayStartOver(old.spec)) return wrong
  const before = new Map((old.status?.containerStatuses ?? []).map((status) => [status.name, status]))
  for (const [index, status] of (pod.status?.containerStatuses ?? []).entries()) {
    const terminated = before.get(status.name)?.state?.terminated
    if (!terminated || (policy === 'OnFailure' && terminated.exitCode !== 0)) continue
    const rules = old.spec?.containers?.find(({ name }) => name === status.name)
    if (rules?.restartPolicy !== undefined || status.state?.terminated) continue
    wrong.push(
      fieldErrors.forbidden(
        `status.containerStatuses[${index}].state`,
        'may not be transitioned to non-terminated state',
      ),
    )
  }
  return wrong
}

/** One container's end may start all of them anew (KEP-5532). */
const mayStartOver = (spec: PodSpec | undefined): boolean =>
  [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  )

/** /ephemeralcontainers: they can be added, never changed or taken away. */
export function validateEphemeralUpdate(pod: Pod, old: Pod): FieldError[] {
  const next = pod.spec?.ephemeralContainers ?? []
  const at = 'spec.ephemeralContainers'
  const volumes = new Set((pod.spec?.volumes ?? []).map(({ name }) => name))
  const wrong = pod.spec ? validateEphemeralContainers(pod.spec, volumes, at) : []
  const byName = new Map(next.map((one) => [one.name, one]))
  for (const container of old.spec?.ephemeralContainers ?? []) {
    const kept = byName.get(container.name)
    if (!kept) {
      wrong.push(fieldErrors.forbidden(at, `existing ephemeral containers "${container.name}" may not be removed\n`))
    } else if (!sameValue(kept, container)) {
      wrong.push(fieldErrors.forbidden(at, `existing ephemeral containers "${container.name}" may not be changed\n`))
    }
  }
  return wrong
}

function renamedContainers(
  next: readonly Container[] | undefined,
  before: readonly Container[] | undefined,
  path: string,
): FieldError[] {
  if (next?.length !== before?.length) {
    return [fieldErrors.forbidden(path, 'containers may not be added or removed on resize')]
  }
  return (next ?? []).flatMap(({ name }, index) =>
    name === before?.[index]?.name
      ? []
      : [fieldErrors.forbidden(`${path}[${index}].name`, 'containers may not be renamed or reordered on resize')],
  )
}

/** What was set may change, and not go: the kernel's own default would be a surprise. */
function removedResources(next: Container['resources'], before: Container['resources'], path: string): FieldError[] {
  return (['limits', 'requests'] as const).flatMap((part) => {
    const isRemoved = (['cpu', 'memory'] as const).some(
      (name) => before?.[part]?.[name] !== undefined && next?.[part]?.[name] === undefined,
    )
    return isRemoved ? [fieldErrors.forbidden(`${path}.${part}`, `resource ${part} cannot be removed`)] : []
  })
}

/** /resize (KEP-1287): the cpu and memory of containers, and nothing else. */
export function validateResize(pod: Pod, old: Pod): FieldError[] {
  const next = pod.spec
  const before = old.spec
  if (!next || !before) return []
  const renamed = [
    ...renamedContainers(next.containers, before.containers, 'spec.containers'),
    ...renamedContainers(next.initContainers, before.initContainers, 'spec.initContainers'),
  ]
  if (renamed.length > 0) return renamed
  const done = (next.initContainers ?? []).flatMap(({ restartPolicy, resources }, index) =>
    restartPolicy === 'Always' || sameValue(resources ?? {}, before.initContainers?.[index]?.resources ?? {})
      ? []
      : [
          fieldErrors.forbidden(
            `spec.initContainers[${index}]`,
            'resources for non-sidecar init containers are immutable',
          ),
        ],
  )
  if (done.length > 0) return done
  const withoutResources = (spec: PodSpec) => ({
    ...spec,
    containers: spec.containers?.map((one) => ({ ...one, resources: undefined, resizePolicy: undefined })),
    initContainers: spec.initContainers?.map((one) =>
      one.restartPolicy === 'Always' ? { ...one, resources: undefined, resizePolicy: undefined } : one,
    ),
    resources: undefined,
  })
  if (!sameValue(withoutResources(next), withoutResources(before))) {
    return [fieldErrors.forbidden('spec', 'only cpu and memory resources are mutable')]
  }
  const wrong: FieldError[] = []
  const qos = qosClassOf(next)
  if (qos !== (old.status?.qosClass ?? qosClassOf(before))) {
    wrong.push(fieldErrors.invalid('spec', qos, 'Pod QOS Class may not change as a result of resizing'))
  }
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (next[list] ?? []).entries()) {
      const was = before[list]?.[index]?.resources
      wrong.push(...resizedResources(container.resources, was, `spec.${list}[${index}].resources`))
    }
  }
  return wrong
}

/** One container's resources are right by themselves, and nothing but cpu and memory has changed. */
function resizedResources(next: Container['resources'], was: Container['resources'], at: string): FieldError[] {
  const wrong = [...validateResources(next ?? {}, at), ...removedResources(next, was, at)]
  for (const part of ['requests', 'limits'] as const) {
    const names = new Set([...Object.keys(next?.[part] ?? {}), ...Object.keys(was?.[part] ?? {})])
    for (const name of names) {
      if (next?.[part]?.[name] !== was?.[part]?.[name] && name !== 'cpu' && name !== 'memory') {
        wrong.push(fieldErrors.forbidden(`${at}.${part}`, 'only cpu and memory resources are mutable'))
      }
    }
  }
  return wrong
}
