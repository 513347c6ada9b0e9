import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AutoscalingV1HorizontalPodAutoscaler, Event } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { loadBuiltinSchemas } from '../schema/graph.ts'
import { fromV2, toV2 } from './autoscaling/convert.ts'
import { scheduleError } from './batch/schedule.ts'
import { builtinResources } from './builtin.ts'
import { fromCoreEvent, toCoreEvent } from './core/event.ts'
import { parseCidr, parseIPv6, strictlyContains } from './meta/addresses.ts'
import { dns1123Subdomain, qualifiedName } from './meta/names.ts'
import { convertClaimSpec } from './resource/convert.ts'

const definitions = builtinResources(loadBuiltinSchemas())

/** As the pipeline makes it: prepared, defaulted. */
function created(apiVersion: string, kind: string, fields: object, name = 'a'): KubeObject {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  const definition = definitions.find((one) => one.group === group && one.version === version && one.kind === kind)
  if (!definition) throw new Error(`no ${kind}`)
  const metadata = { name, uid: 'u', ...(definition.namespaced ? { namespace: 'default' } : {}) }
  const object = { apiVersion, kind, metadata, ...structuredClone(fields) } as KubeObject
  definition.strategy.prepareForCreate?.(object)
  definition.strategy.applyDefaults?.(object)
  return object
}

const definitionOf = (object: KubeObject) => {
  const found = definitions.find(
    (one) =>
      one.kind === object.kind && (one.group ? `${one.group}/${one.version}` : one.version) === object.apiVersion,
  )
  if (!found) throw new Error(`no ${object.kind}`)
  return found
}
const problems = (object: KubeObject) =>
  (definitionOf(object).strategy.validate?.(object) ?? []).map(({ field, message }) => `${field}: ${message}`)
const row = (object: KubeObject) =>
  Object.fromEntries(
    definitionOf(object).columns.map((column) => [
      column.name,
      column.cell(object, Date.parse('2026-01-01T01:00:00Z')),
    ]),
  )

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
const selector = { matchLabels: { app: 'a' } }
const jobTemplate = { ...template, spec: { ...template.spec, restartPolicy: 'Never' } }
const good: [string, string, object, string?][] = [
  ['apps/v1', 'Deployment', { spec: { selector, template } }],
  ['apps/v1', 'ReplicaSet', { spec: { selector, template } }],
  ['apps/v1', 'StatefulSet', { spec: { selector, template, serviceName: 's' } }],
  ['apps/v1', 'DaemonSet', { spec: { selector, template } }],
  ['v1', 'ReplicationController', { spec: { template } }],
  ['batch/v1', 'Job', { spec: { template: jobTemplate } }],
  ['batch/v1', 'CronJob', { spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: jobTemplate } } } }],
  ['v1', 'Service', { spec: { ports: [{ port: 80 }], selector: { app: 'a' } } }],
  ['v1', 'Service', { spec: { type: 'ExternalName', externalName: 'example.com' } }],
  ['v1', 'ConfigMap', { data: { key: 'value' } }],
  ['v1', 'Secret', { stringData: { key: 'value' } }],
  ['v1', 'Namespace', {}],
  ['v1', 'Node', { status: { capacity: { cpu: '1' } } }],
  [
    'v1',
    'PersistentVolumeClaim',
    { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  ],
  [
    'v1',
    'PersistentVolume',
    { spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' } } },
  ],
  ['v1', 'ResourceQuota', { spec: { hard: { pods: '5', 'requests.cpu': '1' } } }],
  ['v1', 'LimitRange', { spec: { limits: [{ type: 'Container', max: { cpu: '1' }, default: { cpu: '500m' } }] } }],
  ['networking.k8s.io/v1', 'Ingress', { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } }],
  [
    'networking.k8s.io/v1',
    'NetworkPolicy',
    { spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }] } },
  ],
  ['policy/v1', 'PodDisruptionBudget', { spec: { minAvailable: '50%', selector } }],
  [
    'autoscaling/v2',
    'HorizontalPodAutoscaler',
    { spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'a' } } },
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'Role',
    { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
    'system:a',
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'RoleBinding',
    { roleRef: { kind: 'Role', name: 'a' }, subjects: [{ kind: 'User', name: 'u' }] },
  ],
  ['storage.k8s.io/v1', 'StorageClass', { provisioner: 'example.com/x' }],
  ['coordination.k8s.io/v1', 'Lease', { spec: { leaseDurationSeconds: 1 } }],
  ['scheduling.k8s.io/v1', 'PriorityClass', { value: 5 }],
  [
    'discovery.k8s.io/v1',
    'EndpointSlice',
    { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
  ],
]

test.each(good)('%s %s passes its own rules, and prints', (apiVersion, kind, fields, name) => {
  const object = created(apiVersion, kind, fields, name)
  expect(problems(object)).toEqual([])
  expect(row(object)['Name']).toMatch(/^(system:)?a$/)
  const again = structuredClone(object)
  definitionOf(object).strategy.applyDefaults?.(again)
  expect(again).toEqual(object)
  expect(definitionOf(object).strategy.validateUpdate?.(structuredClone(object), object)).toEqual([])
})

test.each<[string, string, object, string]>([
  [
    'apps/v1',
    'Deployment',
    { spec: { selector: { matchLabels: { app: 'b' } }, template } },
    'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
  ],
  [
    'batch/v1',
    'Job',
    { spec: { template } },
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  ],
  ['v1', 'Service', { spec: { ports: [{ port: 80 }, { port: 81 }] } }, 'spec.ports[0].name: Required value'],
  ['v1', 'Service', { spec: {} }, 'spec.ports: Required value'],
  ['v1', 'Secret', { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }, 'data[tls.key]: Required value'],
  [
    'networking.k8s.io/v1',
    'NetworkPolicy',
    { spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] } },
    'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
  ],
  [
    'v1',
    'ResourceQuota',
    { spec: { hard: { services: '1' }, scopes: ['BestEffort'] } },
    'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
  ],
  [
    'v1',
    'ResourceQuota',
    {
      spec: {
        hard: { secrets: '1' },
        scopeSelector: { matchExpressions: [{ scopeName: 'Terminating', operator: 'Exists' }] },
      },
    },
    'spec.scopeSelector.matchExpressions: Invalid value: ["Terminating"]: unsupported scope applied to resource',
  ],
  [
    'policy/v1',
    'PodDisruptionBudget',
    { spec: { minAvailable: 1, maxUnavailable: 1 } },
    'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
  ],
])('%s %s with a mistake', (apiVersion, kind, fields, problem) => {
  expect(problems(created(apiVersion, kind, fields))).toContain(problem)
})

test('selectors of workloads never change', () => {
  const old = created('apps/v1', 'Deployment', { spec: { selector, template } })
  const next = created('apps/v1', 'Deployment', {
    spec: {
      selector: { matchLabels: { app: 'a', x: 'y' } },
      template: { ...template, metadata: { labels: { app: 'a', x: 'y' } } },
    },
  })
  expect(definitionOf(next).strategy.validateUpdate?.(next, old)).toMatchObject([
    { field: 'spec.selector', message: expect.stringMatching(/field is immutable$/) },
  ])
})

test('immutable configuration stays', () => {
  const old = created('v1', 'ConfigMap', { immutable: true, data: { a: 'b' } })
  const next = created('v1', 'ConfigMap', { immutable: true, data: { a: 'c' } })
  expect(definitionOf(next).strategy.validateUpdate?.(next, old)).toMatchObject([
    { field: 'data', reason: 'FieldValueForbidden' },
  ])
})

describe('columns', () => {
  test('of a service', () => {
    const service = created('v1', 'Service', {
      spec: { type: 'NodePort', clusterIP: '10.0.0.1', ports: [{ port: 80, nodePort: 30_080 }] },
    })
    expect(row(service)).toMatchObject({
      Type: 'NodePort',
      'Cluster-IP': '10.0.0.1',
      'External-IP': '<none>',
      'Port(s)': '80:30080/TCP',
    })
  })

  test('of a node', () => {
    const node = created('v1', 'Node', {
      spec: { unschedulable: true },
      status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.3' } },
    })
    node.metadata.labels = { 'node-role.kubernetes.io/worker': '' }
    expect(row(node)).toMatchObject({ Status: 'Ready,SchedulingDisabled', Roles: 'worker', Version: 'v1.36.3' })
  })

  test('of an autoscaler without measurements', () => {
    const autoscaler = created('autoscaling/v2', 'HorizontalPodAutoscaler', {
      spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web' } },
    })
    expect(row(autoscaler)).toMatchObject({
      Reference: 'Deployment/web',
      Targets: 'cpu: <unknown>/80%',
      MinPods: '1',
      MaxPods: 3,
    })
  })
})

describe('conversion', () => {
  test('an autoscaler comes back as it went', () => {
    const v1: AutoscalingV1HorizontalPodAutoscaler = {
      apiVersion: 'autoscaling/v1',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'a', annotations: { mine: 'x' } },
      spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'a' }, targetCPUUtilizationPercentage: 70 },
    }
    expect(fromV2(toV2(v1))).toEqual(v1)
    expect(toV2(v1).spec?.metrics).toEqual([
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
    ])
    const v2 = toV2(v1)
    const rich = { ...v2, spec: { ...v2.spec, behavior: { scaleUp: { selectPolicy: 'Max' } } } } as typeof v2
    expect(toV2(fromV2(rich))).toEqual(rich)
  })

  test('an event comes back as it went', () => {
    const core: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'a', namespace: 'b' },
      involvedObject: { kind: 'Pod', name: 'p' },
      message: 'm',
      reason: 'R',
      source: { component: 'c' },
      reportingComponent: 'c',
      reportingInstance: '',
      count: 2,
    }
    expect(fromCoreEvent(core)).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'm', regarding: { kind: 'Pod' } })
    expect(toCoreEvent(fromCoreEvent(core))).toEqual(core)
  })

  test('a claim of the first beta comes back as it went', () => {
    const old = { devices: { requests: [{ name: 'gpu', deviceClassName: 'x', count: 2 }] } }
    expect(convertClaimSpec(old, 'v1')).toEqual({
      devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'x', count: 2 } }] },
    })
    expect(convertClaimSpec(convertClaimSpec(old, 'v1'), 'v1beta1')).toEqual(old)
  })
})

test.each([
  ['*/5 * * * *', true],
  ['@hourly', true],
  ['0 0 1 JAN SUN-FRI', true],
  ['@every 1h30m', true],
  ['60 * * * *', false],
  ['* * * *', false],
  ['5-1 * * * *', false],
  ['*/0 * * * *', false],
  ['@never', false],
])('the schedule %j', (schedule, isRight) => {
  expect(scheduleError(schedule) === undefined).toBe(isRight)
})

test.each([
  ['a.b-c', true],
  ['a..b', false],
  ['-a', false],
  ['A', false],
  ['a'.repeat(254), false],
])('the name %s', (name, isRight) => {
  expect(dns1123Subdomain(name).length === 0).toBe(isRight)
})

test('label keys have at most one prefix', () => {
  expect(qualifiedName('example.com/App')).toEqual([])
  expect(qualifiedName('a/b/c')).toHaveLength(1)
  expect(qualifiedName('/a')).toEqual(['prefix part must be non-empty'])
})

test('IPv6 texts of one address are one number', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      expect(parseIPv6(text)).toBe(parseIPv6(text.toUpperCase()))
      expect(parseIPv6(text)).toBeDefined()
    }),
  )
  expect(parseIPv6('::1')).toBe(1n)
  expect(parseIPv6('1::2::3')).toBeUndefined()
})

test('a network contains its halves and not itself', () => {
  const cidr = (text: string) => parseCidr(text) ?? { family: 4 as const, address: 0n, bits: -1 }
  expect(strictlyContains(cidr('10.0.0.0/8'), cidr('10.128.0.0/9'))).toBe(true)
  expect(strictlyContains(cidr('10.0.0.0/8'), cidr('10.0.0.0/8'))).toBe(false)
  expect(strictlyContains(cidr('10.0.0.0/8'), cidr('2001:db8::/64'))).toBe(false)
})
