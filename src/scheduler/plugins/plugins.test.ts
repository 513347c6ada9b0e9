import { describe, expect, test } from 'vitest'
import type { Node, Pod } from '../../api/kinds.ts'
import { createProfile, defaultProfile, type ProfileOptions } from '../default-profile.ts'
import { createCluster } from '../framework/cluster.ts'
import { explain, type Explanation } from '../framework/explain.ts'
import { podInfoOf } from '../framework/pod-info.ts'
import { affinityTerm, makeNode, makePod, makeSurroundings } from '../testing/objects.ts'
import { parsePressure } from './inter-pod-interference.ts'
import { onCurve } from './node-resources-scores.ts'

const hostKey = 'kubernetes.io/hostname'
const zoneKey = 'topology.kubernetes.io/zone'

function ask(pod: Pod, nodes: readonly Node[], placed: readonly Pod[] = [], options?: ProfileOptions): Explanation {
  const namespaces: Record<string, Record<string, string>> = { prod: { env: 'prod' }, dev: { env: 'dev' } }
  const cluster = createCluster(makeSurroundings({ namespaceLabels: (name) => namespaces[name] ?? {} }))
  for (const node of nodes) cluster.setNode(node)
  for (const one of placed) cluster.place(one, one.spec!.nodeName!)
  return explain(podInfoOf(pod), cluster, options ? createProfile('other', options) : defaultProfile)
}
const fitting = (found: Explanation): string[] =>
  found.nodes.flatMap(({ name, fits }) => (fits ? [name] : [])).toSorted()
const scoresOf = (found: Explanation, plugin: string) =>
  Object.fromEntries(found.nodes.map(({ name, scores }) => [name, scores[plugin]]))

const required = (kind: 'podAffinity' | 'podAntiAffinity', ...terms: ReturnType<typeof affinityTerm>[]) => ({
  affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
})
const zoned = [makeNode('a', { zone: 'x' }), makeNode('b', { zone: 'x' }), makeNode('c', { zone: 'y' })]

describe('NodeResourcesFit', () => {
  test.each<[string, Pod, string[]]>([
    ['cpu', makePod('p', { cpu: '5' }), ['Insufficient cpu']],
    ['several at once', makePod('p', { cpu: '5', memory: '1Ti' }), ['Insufficient cpu', 'Insufficient memory']],
    ['extended', makePod('p', { requests: { 'nvidia.com/gpu': '3' } }), ['Insufficient nvidia.com/gpu']],
    ['overhead counts', makePod('p', { cpu: '3', spec: { overhead: { cpu: '2' } } }), ['Insufficient cpu']],
    ['pod-level requests', makePod('p', { spec: { resources: { requests: { cpu: '9' } } } }), ['Insufficient cpu']],
  ])('%s', (_name, pod, reasons) => {
    const node = makeNode('a', { extended: { 'nvidia.com/gpu': '2' } })
    expect(ask(pod, [node]).nodes[0]?.refusals).toEqual({ NodeResourcesFit: reasons })
  })

  test('too many pods', () => {
    const found = ask(makePod('p'), [makeNode('a', { pods: '1' })], [makePod('q', { nodeName: 'a' })])
    expect(found.message).toBe('0/1 nodes are available: 1 Too many pods.')
  })

  test.each<[string, ProfileOptions['scoringStrategy'], string]>([
    ['least', { type: 'LeastAllocated', resources: [{ name: 'cpu', weight: 1 }] }, 'empty'],
    ['most', { type: 'MostAllocated', resources: [{ name: 'cpu', weight: 1 }] }, 'used'],
    [
      'requested to capacity',
      {
        type: 'RequestedToCapacityRatio',
        resources: [{ name: 'cpu', weight: 1 }],
        shape: [
          { utilization: 0, score: 0 },
          { utilization: 100, score: 10 },
        ],
      },
      'used',
    ],
  ])('scores by what is %s allocated', (_name, scoringStrategy, chosen) => {
    const nodes = [makeNode('empty'), makeNode('used')]
    const found = ask(makePod('p', { cpu: '1' }), nodes, [makePod('q', { cpu: '2', nodeName: 'used' })], {
      scoringStrategy: scoringStrategy!,
      disabled: ['NodeResourcesBalancedAllocation'],
    })
    expect(found.chosen).toBe(chosen)
  })

  test('a curve is straight between its points and flat outside', () => {
    const shape = [
      { utilization: 20, score: 0 },
      { utilization: 70, score: 10 },
    ]
    expect([0, 20, 45, 70, 100].map((one) => onCurve(shape, one))).toEqual([0, 0, 50, 100, 100])
  })
})

describe('InterPodAffinity', () => {
  test('the first of its kind may go where its own terms allow, the next must follow', () => {
    const pod = (name: string) =>
      makePod(name, { labels: { app: 'web' }, spec: required('podAffinity', affinityTerm({ app: 'web' }, zoneKey)) })
    expect(fitting(ask(pod('p'), zoned))).toEqual(['a', 'b', 'c'])
    const first = { ...pod('q'), spec: { ...pod('q').spec!, nodeName: 'a' } }
    expect(fitting(ask(pod('p'), zoned, [first]))).toEqual(['a', 'b'])
  })

  test('all terms must be met by the same pods', () => {
    const pod = makePod('p', {
      spec: required('podAffinity', affinityTerm({ app: 'web' }, zoneKey), affinityTerm({ tier: 'one' }, zoneKey)),
    })
    const placed = [
      makePod('q', { nodeName: 'a', labels: { app: 'web' } }),
      makePod('r', { nodeName: 'a', labels: { tier: 'one' } }),
    ]
    expect(fitting(ask(pod, zoned, placed))).toEqual([])
    placed.push(makePod('s', { nodeName: 'c', labels: { app: 'web', tier: 'one' } }))
    expect(fitting(ask(pod, zoned, placed))).toEqual(['c'])
  })

  test('anti-affinity holds in both directions', () => {
    const loner = makePod('q', {
      nodeName: 'a',
      spec: required('podAntiAffinity', affinityTerm({ app: 'web' }, zoneKey)),
    })
    const web = makePod('p', { labels: { app: 'web' } })
    const found = ask(web, zoned, [loner])
    expect(fitting(found)).toEqual(['c'])
    expect(found.nodes.find(({ name }) => name === 'b')?.refusals).toEqual({
      InterPodAffinity: ["node(s) didn't satisfy existing pods anti-affinity rules"],
    })
    const away = makePod('p', { spec: required('podAntiAffinity', affinityTerm({ app: 'web' })) })
    expect(fitting(ask(away, zoned, [makePod('w', { nodeName: 'c', labels: { app: 'web' } })]))).toEqual(['a', 'b'])
  })

  test('namespaces: the own one, named ones, and those that a selector chooses', () => {
    const inProd = makePod('q', { namespace: 'prod', nodeName: 'a', labels: { app: 'web' } })
    const away = (more: object) =>
      makePod('p', { spec: required('podAntiAffinity', affinityTerm({ app: 'web' }, hostKey, more)) })
    expect(fitting(ask(away({}), zoned, [inProd]))).toEqual(['a', 'b', 'c'])
    expect(fitting(ask(away({ namespaces: ['prod'] }), zoned, [inProd]))).toEqual(['b', 'c'])
    const env = (value: string) => ({ namespaceSelector: { matchLabels: { env: value } } })
    expect(fitting(ask(away(env('prod')), zoned, [inProd]))).toEqual(['b', 'c'])
    expect(fitting(ask(away(env('dev')), zoned, [inProd]))).toEqual(['a', 'b', 'c'])
    expect(fitting(ask(away({ namespaceSelector: {} }), zoned, [inProd]))).toEqual(['b', 'c'])
  })

  test('matchLabelKeys keep revisions apart, mismatchLabelKeys keep others away', () => {
    const pod = (name: string, version: string, more: object, nodeName?: string) =>
      makePod(name, {
        labels: { app: 'web', version },
        ...(nodeName ? { nodeName } : {}),
        spec: required('podAntiAffinity', affinityTerm({ app: 'web' }, hostKey, more)),
      })
    const same = { matchLabelKeys: ['version'] }
    expect(fitting(ask(pod('p', '2', same), zoned, [pod('q', '1', same, 'a')]))).toEqual(['a', 'b', 'c'])
    expect(fitting(ask(pod('p', '1', same), zoned, [pod('q', '1', same, 'a')]))).toEqual(['b', 'c'])
    const other = { mismatchLabelKeys: ['version'] }
    expect(fitting(ask(pod('p', '1', other), zoned, [pod('q', '1', other, 'a')]))).toEqual(['a', 'b', 'c'])
    expect(fitting(ask(pod('p', '2', other), zoned, [pod('q', '1', other, 'a')]))).toEqual(['b', 'c'])
  })

  test('preferences pull and push', () => {
    const preferred = (kind: string) => ({
      affinity: {
        [kind]: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 10, podAffinityTerm: affinityTerm({ app: 'web' }) },
          ],
        },
      },
    })
    const placed = [makePod('q', { nodeName: 'b', labels: { app: 'web' } })]
    expect(scoresOf(ask(makePod('p', { spec: preferred('podAffinity') }), zoned, placed), 'InterPodAffinity')).toEqual({
      a: 0,
      b: 100,
      c: 0,
    })
    expect(
      scoresOf(ask(makePod('p', { spec: preferred('podAntiAffinity') }), zoned, placed), 'InterPodAffinity'),
    ).toEqual({ a: 100, b: 0, c: 100 })
  })
})

describe('PodTopologySpread', () => {
  const constraint = (more: object = {}) => ({
    topologyKey: zoneKey,
    maxSkew: 1,
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'web' } },
    ...more,
  })
  const pod = (more: object = {}, spec: object = {}) =>
    makePod('p', { labels: { app: 'web' }, spec: { topologySpreadConstraints: [constraint(more)], ...spec } })
  const web = (name: string, nodeName: string) => makePod(name, { nodeName, labels: { app: 'web' } })

  test('no domain gets ahead by more than maxSkew', () => {
    expect(fitting(ask(pod(), zoned, [web('q', 'a')]))).toEqual(['c'])
    expect(fitting(ask(pod({ maxSkew: 2 }), zoned, [web('q', 'a')]))).toEqual(['a', 'b', 'c'])
  })

  test('nodes without the key are refused for good', () => {
    const found = ask(pod(), [...zoned, makeNode('d')])
    expect(found.nodes.find(({ name }) => name === 'd')?.refusals).toEqual({
      PodTopologySpread: ["node(s) didn't match pod topology spread constraints (missing required label)"],
    })
  })

  test('with fewer domains than minDomains the least counts as none', () => {
    const placed = [web('q', 'a'), web('r', 'c')]
    expect(fitting(ask(pod({ minDomains: 2 }), zoned, placed))).toEqual(['a', 'b', 'c'])
    expect(fitting(ask(pod({ minDomains: 3 }), zoned, placed))).toEqual([])
  })

  test('nodeAffinityPolicy and nodeTaintsPolicy say which nodes count', () => {
    const selector = { nodeSelector: { [zoneKey]: 'x' } }
    expect(fitting(ask(pod({}, selector), zoned, [web('q', 'a')]))).toEqual(['a', 'b'])
    expect(fitting(ask(pod({ nodeAffinityPolicy: 'Ignore' }, selector), zoned, [web('q', 'a')]))).toEqual([])
    const tainted = [
      ...zoned.slice(0, 2),
      makeNode('c', { zone: 'y', spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }),
    ]
    expect(fitting(ask(pod(), tainted, [web('q', 'a')]))).toEqual([])
    expect(fitting(ask(pod({ nodeTaintsPolicy: 'Honor' }), tainted, [web('q', 'a')]))).toEqual(['a', 'b'])
  })

  test('matchLabelKeys count each revision by itself', () => {
    const revised = { ...pod({ matchLabelKeys: ['rev'] }) }
    revised.metadata = { ...revised.metadata, labels: { app: 'web', rev: '2' } }
    const old = makePod('q', { nodeName: 'a', labels: { app: 'web', rev: '1' } })
    expect(fitting(ask(revised, zoned, [old]))).toEqual(['a', 'b', 'c'])
  })

  test('ScheduleAnyway prefers emptier domains; pods without constraints get the defaults of the cluster', () => {
    const soft = scoresOf(
      ask(pod({ whenUnsatisfiable: 'ScheduleAnyway' }), zoned, [web('q', 'a')]),
      'PodTopologySpread',
    )
    expect(soft['c']).toBeGreaterThan(soft['a']!)
    const plain = ask(makePod('p', { labels: { app: 'web' } }), zoned, [web('q', 'a')])
    const scores = scoresOf(plain, 'PodTopologySpread')
    expect(scores['c']).toBeGreaterThan(scores['b']!)
    expect(scores['b']).toBeGreaterThan(scores['a']!)
  })
})

describe('nodes by name, label, taint and port', () => {
  test('a daemon pod looks at its own node only', () => {
    const daemon = makePod('p', {
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }],
            },
          },
        },
      },
    })
    expect(fitting(ask(daemon, zoned))).toEqual(['b'])
  })

  test.each<[string, object, string[]]>([
    ['In', { key: 'n', operator: 'In', values: ['1'] }, ['one']],
    ['NotIn', { key: 'n', operator: 'NotIn', values: ['1'] }, ['none', 'ten']],
    ['Exists', { key: 'n', operator: 'Exists' }, ['one', 'ten']],
    ['DoesNotExist', { key: 'n', operator: 'DoesNotExist' }, ['none']],
    ['Gt', { key: 'n', operator: 'Gt', values: ['9'] }, ['ten']],
    ['Lt', { key: 'n', operator: 'Lt', values: ['9'] }, ['one']],
  ])('node affinity %s', (_name, expression, names) => {
    const nodes = [makeNode('one', { labels: { n: '1' } }), makeNode('ten', { labels: { n: '10' } }), makeNode('none')]
    const requirement = { nodeSelectorTerms: [{ matchExpressions: [expression] }] }
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: requirement } }
    expect(fitting(ask(makePod('p', { spec: { affinity } as never }), nodes))).toEqual(names)
  })

  test('cordoned nodes and taints, and who tolerates them', () => {
    const nodes = [
      makeNode('cordoned', { spec: { unschedulable: true } }),
      makeNode('tainted', { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }] } }),
      makeNode('soft', { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }),
    ]
    const found = ask(makePod('p'), nodes)
    expect(fitting(found)).toEqual(['soft'])
    expect(found.nodes.find(({ name }) => name === 'tainted')?.refusals).toEqual({
      TaintToleration: ['node(s) had untolerated taint {k: v}'],
    })
    const all = makePod('p', { spec: { tolerations: [{ operator: 'Exists' }] } })
    expect(fitting(ask(all, nodes))).toEqual(['cordoned', 'soft', 'tainted'])
  })

  test('host ports clash by port, protocol and address', () => {
    const withPort = (name: string, port: object, nodeName?: string): Pod => {
      const pod = makePod(name, nodeName ? { nodeName } : {})
      const containers = [{ ...pod.spec!.containers[0]!, ports: [{ containerPort: 80, ...port }] }]
      return { ...pod, spec: { ...pod.spec!, containers } }
    }
    const taken = withPort('q', { hostPort: 80, hostIP: '10.0.0.1' }, 'a')
    const fits = (port: object) => fitting(ask(withPort('p', port), [makeNode('a')], [taken])).length === 1
    expect(fits({ hostPort: 80 })).toBe(false)
    expect(fits({ hostPort: 80, hostIP: '10.0.0.1' })).toBe(false)
    expect(fits({ hostPort: 80, hostIP: '10.0.0.2' })).toBe(true)
    expect(fits({ hostPort: 80, protocol: 'UDP' })).toBe(true)
    expect(fits({ hostPort: 81 })).toBe(true)
  })
})

test('ImageLocality prefers nodes that have the image', () => {
  const images = [{ names: ['web:1'], sizeBytes: 1024 ** 3 }]
  const scores = scoresOf(ask(makePod('p'), [makeNode('a', { images }), makeNode('b')]), 'ImageLocality')
  expect(scores['a']).toBeGreaterThan(scores['b']!)
})

test('InterPodInterference keeps pods of one profile apart', () => {
  const profile = (text: string) => ({ annotations: { 'stormo.dev/pressure-profile': text } })
  const placed = [
    makePod('q', { nodeName: 'a', ...profile('cpu=0.9') }),
    makePod('r', { nodeName: 'b', ...profile('io=0.9') }),
  ]
  const nodes = [makeNode('a'), makeNode('b')]
  expect(scoresOf(ask(makePod('p', profile('cpu=0.5')), nodes, placed), 'InterPodInterference')).toEqual({
    a: 0,
    b: 100,
  })
  expect(parsePressure('cpu=0.5, io=2,=1,x')).toEqual({ cpu: 0.5 })
})
