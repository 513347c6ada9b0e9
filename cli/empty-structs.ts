import type { KubeObject } from '../src/api/object.ts'

type Json = Record<string, unknown>

/**
 * An object as kubectl prints one that it made itself: structs that Go's JSON never leaves out stand there empty. Scripts
 * that fill such a draft in (`create … --dry-run=client -o yaml | …`) find the same lines.
 */
export function withEmptyStructs(object: KubeObject): KubeObject {
  const spec = (object as { spec?: Json }).spec ?? {}
  switch (object.kind) {
    case 'Namespace':
      return extended(object, { spec, status: {} })
    case 'Pod':
      return extended(object, { spec: podSpec(spec), status: {} })
    case 'Deployment':
      return extended(object, { spec: { strategy: {}, ...spec, template: template(spec['template']) }, status: {} })
    case 'Job':
      return extended(object, { spec: jobSpec(spec), status: {} })
    case 'CronJob': {
      const job = (spec['jobTemplate'] ?? {}) as Json
      const jobTemplate = { metadata: {}, ...job, spec: jobSpec((job['spec'] ?? {}) as Json) }
      return extended(object, { spec: { ...spec, jobTemplate }, status: {} })
    }
    case 'Service':
    case 'Ingress':
      return extended(object, { status: { loadBalancer: {} } })
    case 'ResourceQuota':
      return extended(object, { status: {} })
    case 'PodDisruptionBudget':
      return extended(object, {
        status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
      })
    case 'HorizontalPodAutoscaler':
      return extended(object, { status: { currentMetrics: null, desiredReplicas: 0 } })
    default:
      return object
  }
}

const extended = (object: KubeObject, fields: Json): KubeObject => ({ ...object, ...fields })

const jobSpec = (spec: Json): Json => ({ ...spec, template: template(spec['template']) })

function template(value: unknown): Json {
  const { spec, ...rest } = (value ?? {}) as { spec?: Json }
  return { metadata: {}, ...rest, spec: podSpec(spec ?? {}) }
}

function podSpec(spec: Json): Json {
  const containers = ((spec['containers'] ?? []) as Json[]).map((one) => ({ resources: {}, ...one }))
  return { ...spec, containers }
}
