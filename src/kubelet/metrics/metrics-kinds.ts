import type { CustomResourceDefinition } from '../../api/kinds.ts'
import { customDefinitions } from '../../registry/custom/definitions.ts'
import type { ResourceDefinition } from '../../kinds/definition.ts'
import type { Schema } from '../../schema/schema.ts'

export const metricsGroup = 'metrics.k8s.io'
export const metricsVersion = 'v1beta1'

const quantities = { type: 'object', additionalProperties: { 'x-kubernetes-int-or-string': true } }
const sampled = {
  timestamp: { type: 'string', format: 'date-time' },
  window: { type: 'string' },
}
const container = { type: 'object', properties: { name: { type: 'string' }, usage: quantities } }

interface MetricsKind {
  readonly kind: string
  readonly plural: string
  readonly scope: 'Cluster' | 'Namespaced'
  readonly properties: object
}

const kinds: readonly MetricsKind[] = [
  { kind: 'NodeMetrics', plural: 'nodes', scope: 'Cluster', properties: { ...sampled, usage: quantities } },
  {
    kind: 'PodMetrics',
    plural: 'pods',
    scope: 'Namespaced',
    properties: { ...sampled, containers: { type: 'array', items: container } },
  },
]

/** Catalogue entries of metrics.k8s.io/v1beta1: computed at each read, never stored (k8s.io/metrics). */
export function metricsDefinitions(metadata: Schema): ResourceDefinition[] {
  return kinds.flatMap((one) =>
    customDefinitions(definitionOf(one), metadata).map((definition) => ({ ...definition, verbs: ['get', 'list'] })),
  )
}

function definitionOf({ kind, plural, scope, properties }: MetricsKind): CustomResourceDefinition {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${metricsGroup}` },
    spec: {
      group: metricsGroup,
      names: { kind, plural, listKind: `${kind}List` },
      scope,
      versions: [
        {
          name: metricsVersion,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties } },
        },
      ],
    },
  } as CustomResourceDefinition
}
