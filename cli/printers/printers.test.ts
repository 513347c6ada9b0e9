import { describe, expect, it } from 'vitest'
import type { Deployment, Pod, Service } from '../../src/api/kinds.ts'
import { tableCells } from '../server-table.ts'
import { alignTabs } from './align.ts'
import { printCustomColumns } from './custom-columns.ts'
import { spacedName } from './describe/generic.ts'
import { eventLines } from './describe/events.ts'
import { annotationLines } from './describe/lines.ts'
import { describePod } from './describe/pod.ts'
import { describeService, endpointsOf } from './describe/service.ts'
import { explainSchema } from './explain.ts'
import { printObject } from './object.ts'
import { rolloutState } from './rollout-state.ts'
import { printStatus } from './status.ts'
import { printTable } from './table.ts'

const nowMs = Date.parse('2026-01-01T00:10:00Z')

describe('alignTabs', () => {
  it('aligns neighbouring lines only, and leaves the last cell alone', () => {
    expect(alignTabs(['a\tb', 'long\tc', 'none', 'x\ty'])).toBe('a     b\nlong  c\nnone\nx  y\n')
  })

  it('aligns inner columns within the block of their outer one', () => {
    expect(alignTabs(['a\tbbb\tc', 'a\tb\tc', 'a\tb'])).toBe('a  bbb  c\na  b    c\na  b\n')
  })
})

describe('tables', () => {
  it('pads with three blanks, but not what stands last in its line', () => {
    expect(
      printTable(
        ['NAME', 'AGE'],
        [
          ['a', '5s'],
          ['long-name', ''],
        ],
      ),
    ).toBe('NAME        AGE\na           5s\nlong-name   \n')
    expect(printTable([], [])).toBe('')
  })

  it('shows wide columns only when asked', () => {
    const table = {
      columnDefinitions: [
        { name: 'Name', priority: 0 },
        { name: 'Node', priority: 1 },
      ],
      rows: [
        { cells: ['a', null], object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'n' } } },
      ],
    }
    const view = { wide: false, withNamespace: false, withLabels: false }
    expect(tableCells(table, view)).toEqual({ header: ['NAME'], rows: [['a']] })
    expect(tableCells(table, { wide: true, withNamespace: true, withLabels: true, prefix: 'pod/' })).toEqual({
      header: ['NAMESPACE', 'NAME', 'NODE', 'LABELS'],
      rows: [['n', 'pod/a', '<none>', '<none>']],
    })
  })

  it('prints custom columns', () => {
    const objects = [
      { metadata: { name: 'a' }, spec: { containers: [{ image: 'x' }, { image: 'y' }] } },
      { metadata: {} },
    ]
    expect(printCustomColumns('N:.metadata.name,I:.spec.containers[*].image', objects, true)).toBe(
      'N        I\na        x,y\n<none>   <none>\n',
    )
  })
})

describe('objects', () => {
  const object = {
    kind: 'A',
    apiVersion: 'v1',
    metadata: { name: 'a', managedFields: [{}] },
    list: [{ b: 1, a: 'yes' }],
  }

  it('prints YAML with sorted keys, quoted where YAML 1.1 would misread, without managedFields', () => {
    expect(printObject(object, 'yaml')).toBe(
      'apiVersion: v1\nkind: A\nlist:\n- a: "yes"\n  b: 1\nmetadata:\n  name: a\n',
    )
    expect(printObject(object, 'json', { withManagedFields: true })).toContain('managedFields')
    expect(printObject(object, 'jsonpath={.metadata.name}')).toBe('a')
    expect(printObject(object, 'wide')).toBeUndefined()
    expect(() => printObject(object, 'foo')).toThrow('unable to match a printer')
  })
})

describe('descriptions', () => {
  it('shows events oldest first, with how often', () => {
    const events = [
      { type: 'Warning', reason: 'B', message: 'b\n', count: 3, firstTimestamp: '2026-01-01T00:01:00Z', lastTimestamp: '2026-01-01T00:09:30Z', source: { component: 'kubelet' } },
      { type: 'Normal', reason: 'A', message: 'a', count: 1, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:00Z', reportingComponent: 'scheduler' },
    ] // prettier-ignore
    expect(eventLines({ nowMs, events }).slice(3)).toEqual([
      '  Normal\tA\t10m\tscheduler\ta',
      '  Warning\tB\t30s (x3 over 9m)\tkubelet\tb',
    ])
    expect(eventLines({ nowMs, events: [] })).toEqual(['Events:\t<none>'])
    expect(eventLines({ nowMs })).toEqual([])
  })

  it('sets long annotations below their key and hides what apply left', () => {
    const long = 'x'.repeat(200)
    const lines = annotationLines({ a: '1', b: long, 'kubectl.kubernetes.io/last-applied-configuration': '{}' })
    expect(lines).toEqual(['Annotations:\ta: 1', '\tb:', `\t  ${'x'.repeat(138)}...`])
    expect(annotationLines({})).toEqual(['Annotations:\t<none>'])
  })

  it('describes a pod', () => {
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', namespace: 'n', labels: { app: 'x' } },
      spec: {
        nodeName: 'n1',
        containers: [{ name: 'c', image: 'i', command: ['sh', '-c'], resources: { limits: { cpu: '1' } } }],
        tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }],
      },
      status: {
        phase: 'Running',
        containerStatuses: [
          {
            name: 'c',
            image: 'i',
            imageID: 'id',
            ready: false,
            restartCount: 2,
            state: { waiting: { reason: 'ErrImagePull' } },
          },
        ],
      },
    }
    const text = alignTabs(describePod(pod, { nowMs, events: [] }))
    expect(text).toContain('Node:             n1/\n')
    expect(text).toContain('    State:          Waiting\n      Reason:       ErrImagePull\n    Ready:          False\n')
    expect(text).toContain('    Limits:\n      cpu:        1\n')
    expect(text).toMatch(/Tolerations: +k:NoExecute op=Exists for 5s\n/)
    expect(text).toMatch(/Volumes: +<none>\n/)
    expect(text).toMatch(/Events: +<none>\n$/)
  })

  it('names a few endpoints and counts the rest', () => {
    const endpoints = [1, 2, 3, 4, 5].map((n) => ({ addresses: [`10.0.0.${n}`], conditions: { ready: n !== 2 } }))
    const slice = {
      apiVersion: '',
      kind: '',
      metadata: {},
      addressType: 'IPv4',
      endpoints,
      ports: [{ name: 'p', port: 80 }],
    }
    expect(endpointsOf('p', [slice])).toBe('10.0.0.1:80,10.0.0.3:80,10.0.0.4:80 + 1 more...')
    expect(endpointsOf('q', [slice])).toBe('')
    const service: Service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', namespace: 'n' },
      spec: {
        type: 'NodePort',
        ports: [{ name: 'p', port: 80, protocol: 'TCP', targetPort: 'http', nodePort: 30080 }],
      },
    }
    expect(describeService(service, { nowMs, slices: [slice] })).toEqual(
      expect.arrayContaining(['Port:\tp\t80/TCP', 'TargetPort:\thttp/TCP', 'NodePort:\tp\t30080/TCP']),
    )
  })

  it.each([
    ['observedGeneration', 'Observed Generation'],
    ['podIP', 'Pod IP'],
    ['uid', 'UID'],
    ['apiVersion', 'API Version'],
    ['app.kubernetes.io/name', 'app.kubernetes.io/name'],
  ])('spaces %s as %s', (key, title) => expect(spacedName(key)).toBe(title))
})

describe('rollout state', () => {
  const deployment = (status: object, generation = 1): Deployment =>
    ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'w', generation },
      spec: { replicas: 3 },
      status,
    }) as Deployment
  it.each([
    [{ observedGeneration: 0 }, 'Waiting for deployment spec update to be observed...', false],
    [{ observedGeneration: 1, updatedReplicas: 1 }, 'Waiting for deployment "w" rollout to finish: 1 out of 3 new replicas have been updated...', false],
    [{ observedGeneration: 1, updatedReplicas: 3, replicas: 4 }, 'Waiting for deployment "w" rollout to finish: 1 old replicas are pending termination...', false],
    [{ observedGeneration: 1, updatedReplicas: 3, replicas: 3, availableReplicas: 2 }, 'Waiting for deployment "w" rollout to finish: 2 of 3 updated replicas are available...', false],
    [{ observedGeneration: 1, updatedReplicas: 3, replicas: 3, availableReplicas: 3 }, 'deployment "w" successfully rolled out', true],
  ])('%j: %s', (status, message, done) => expect(rolloutState(deployment(status))).toEqual({ message, done })) // prettier-ignore

  it('fails when the deadline has passed', () => {
    const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }]
    expect(() => rolloutState(deployment({ observedGeneration: 1, conditions }))).toThrow(
      'exceeded its progress deadline',
    )
  })
})

describe('status', () => {
  const status = { leader: 'a', term: 3, nodes: [{ name: 'a', ready: true, voter: true, term: 3, lagMs: null }] }

  it('prints exactly the agreed fields as JSON', () => {
    const more = { ...status, secret: 1, nodes: [{ ...status.nodes[0]!, extra: 1 }] }
    expect(JSON.parse(printStatus(more, 'json'))).toEqual(status)
  })

  it('prints a table for people', () => {
    expect(printStatus(status, undefined)).toContain('a      Ready    voter   3      <unknown>')
    const replica = { documents: 120, appliedIndex: 77, sinceSyncMs: 12_400, diskBytes: 3_500_000 }
    const told = { ...status, nodes: [{ ...status.nodes[0]!, lagMs: 20, replica }] }
    expect(printStatus(told, undefined)).toMatch(/a +Ready +voter +3 +20ms +120 +77 +12s +3\.3Mi/)
    expect(JSON.parse(printStatus(told, 'json'))).toEqual(told)
    expect(() => printStatus(status, 'xml')).toThrow('unable to match a printer')
  })

  it('says whose disk takes no writes, and why', () => {
    const replica = { documents: 1, appliedIndex: 1, sinceSyncMs: null, diskBytes: 0, diskFault: 'no space left' }
    expect(printStatus({ ...status, nodes: [{ ...status.nodes[0]!, replica }] }, undefined)).toContain(
      '\n\na refuses writes, its disk does not take them: no space left\n',
    )
  })

  it('says which members do not replicate with each other', () => {
    const refusals = ['a speaks version 2 of the wire format, b versions 3 to 4: upgrade a first']
    expect(printStatus({ ...status, refusals }, undefined)).toMatch(
      /\n\nNot replicated: a speaks version 2 .* first\n$/,
    )
    expect(JSON.parse(printStatus({ ...status, refusals }, 'json'))).toEqual({ ...status, refusals })
  })
})

describe('explain', () => {
  const document = {
    components: {
      schemas: {
        'io.k8s.A': {
          description: 'An A.',
          type: 'object',
          required: ['b'],
          properties: {
            b: { $ref: '#/components/schemas/io.k8s.B' },
            m: { type: 'object', additionalProperties: { type: 'string' } },
          },
          'x-kubernetes-group-version-kind': [{ group: 'g', version: 'v1', kind: 'A' }],
        },
        'io.k8s.B': { type: 'object', properties: { self: { $ref: '#/components/schemas/io.k8s.B' } } },
      },
    },
  }
  const about = { group: 'g', version: 'v1', kind: 'A' }

  it('lists fields with their types', () => {
    const text = explainSchema(document, about, [], false)
    expect(text).toContain('GROUP:      g\nKIND:       A\nVERSION:    v1\n')
    expect(text).toContain('  b\t<B> -required-\n')
    expect(text).toContain('  m\t<map[string]string>\n')
  })

  it('ends where a type contains itself', () => {
    expect(explainSchema(document, about, [], true)).toContain('  b\t<B> -required-\n    self\t<B>\n  m\t')
  })

  it('says when a field is not there', () => {
    expect(() => explainSchema(document, about, ['b', 'x'], false)).toThrow('field "x" does not exist')
  })
})
