import type { Scale } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { errors, fieldErrors } from '../api/status-error.ts'

/** Where a kind keeps what autoscaling/v1 Scale shows: dotted paths without the leading dot. */
export interface ScalePaths {
  specReplicas: string
  statusReplicas: string
  /** Undefined: the kind offers no selector to autoscalers. */
  selector?: string
}

export const builtInScalePaths: ScalePaths = {
  specReplicas: 'spec.replicas',
  statusReplicas: 'status.replicas',
  selector: 'spec.selector',
}

/** The Scale view of a workload. */
export function toScale(object: KubeObject, paths: ScalePaths): Scale & KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = paths.selector === undefined ? undefined : selectorText(read(object, paths.selector))
  const replicas = Number(read(object, paths.specReplicas) ?? 0)
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: Number(read(object, paths.statusReplicas) ?? 0), ...(selector ? { selector } : {}) },
  }
}

/** `object` with the replicas that the Scale asks for. Mutates and returns it. Throws Invalid. */
export function fromScale(object: KubeObject, scale: KubeObject, paths: ScalePaths): KubeObject {
  const replicas = (scale as Partial<Scale>).spec?.replicas ?? 0
  if (!Number.isInteger(replicas) || replicas < 0) {
    throw errors.invalid({ group: 'autoscaling', kind: 'Scale' }, object.metadata.name ?? '', [
      fieldErrors.invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ])
  }
  const steps = paths.specReplicas.split('.')
  const last = steps.pop() ?? ''
  let at = object as unknown as Record<string, unknown>
  for (const step of steps) at = (at[step] ??= {}) as Record<string, unknown>
  at[last] = replicas
  return object
}

function read(object: unknown, path: string): unknown {
  let at: unknown = object
  for (const step of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined
    at = (at as Record<string, unknown>)[step]
  }
  return at
}

interface SelectorShape {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

/** Selectors of CRDs are text already; ReplicationControllers hold a plain map. */
function selectorText(selector: unknown): string | undefined {
  if (typeof selector === 'string' || selector === undefined || selector === null) return selector ?? undefined
  const shape = selector as SelectorShape
  const labels = shape.matchLabels ?? (shape.matchExpressions ? {} : (selector as Record<string, string>))
  const terms = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  for (const { key, operator, values = [] } of shape.matchExpressions ?? []) {
    if (operator === 'Exists') terms.push(key)
    else if (operator === 'DoesNotExist') terms.push(`!${key}`)
    else terms.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${values.toSorted().join(',')})`)
  }
  return terms.sort().join(',')
}
