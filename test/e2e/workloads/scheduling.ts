import { describe, expect, test } from 'vitest'
import { eventually, holds, type Loose, podSpec, type Space, type Workbench } from './fixture.ts'

const pod = (name: string, more: object = {}, labels: Record<string, string> = {}): Loose => ({
  metadata: { name, labels },
  spec: podSpec('sleep 100000', more),
})

/** Nodes say what they have of a resource of our own; the kubelets leave it, and make it allocatable. */
async function advertise(bench: Workbench, node: string, resource: string, amount: string | null): Promise<void> {
  const patch = { status: { capacity: { [resource]: amount } } }
  await bench.api.ok('PATCH', `/api/v1/nodes/${node}/status`, patch, 'application/strategic-merge-patch+json')
  await eventually(`${amount} of ${resource} on ${node}`, async () => {
    const { status } = await bench.api.ok('GET', `/api/v1/nodes/${node}`)
    return (status.allocatable[resource] ?? null) === amount
  })
}

const asking = (resource: string, amount: string, more: object = {}): object => {
  const spec = podSpec('sleep 100000', more)
  spec.containers[0].resources = { requests: { [resource]: amount }, limits: { [resource]: amount } }
  return spec
}

const running = (space: Space, name: string): Promise<Loose> =>
  space.until('pods', name, ({ status }) => status.phase === 'Running')

/** The scheduler's own words about a pod that found no node. */
async function untilRefused(space: Space, name: string, words: RegExp): Promise<void> {
  await space.until('pods', name, ({ spec, status }) => {
    const told = status.conditions?.find((one: Loose) => one.type === 'PodScheduled')
    return !spec.nodeName && told?.status === 'False' && told.reason === 'Unschedulable' && words.test(told.message)
  })
  await eventually(`FailedScheduling of ${name}`, async () =>
    (await space.list('events')).some(
      (one) => one.reason === 'FailedScheduling' && one.involvedObject.name === name && words.test(one.message),
    ),
  )
}

const label = (bench: Workbench, node: string, text: string) =>
  bench.kubectl('label', '--overwrite', 'node', node, text)

async function priorityClass(bench: Workbench, name: string, value: number): Promise<Loose> {
  const answer = await bench.api('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', {
    body: { metadata: { name }, value },
  })
  expect([201, 409]).toContain(answer.code)
  return answer.body
}

export const predicates = (bench: () => Workbench) =>
  describe.concurrent('[sig-scheduling] SchedulerPredicates', () => {
    test('validates resource limits of pods that are allowed to run', async () => {
      const space = await bench().space()
      const [node] = bench().nodes
      await advertise(bench(), node!, 'example.com/beardsecond', '1k')
      await space.create('pods', { metadata: { name: 'filler' }, spec: asking('example.com/beardsecond', '700') })
      expect((await running(space, 'filler')).spec.nodeName).toBe(node)
      await space.create('pods', { metadata: { name: 'additional' }, spec: asking('example.com/beardsecond', '500') })
      await untilRefused(space, 'additional', /0\/2 nodes are available: 2 Insufficient example.com\/beardsecond/)
      await space.delete('pods', 'filler')
      await running(space, 'additional')
      await space.remove()
    })

    test('validates that NodeSelector is respected if matching', async () => {
      const space = await bench().space()
      const [, node] = bench().nodes
      await label(bench(), node!, 'kubernetes.io/e2e-selector=42')
      await space.create('pods', pod('with-labels', { nodeSelector: { 'kubernetes.io/e2e-selector': '42' } }))
      expect((await running(space, 'with-labels')).spec.nodeName).toBe(node)
      await space.remove()
    })

    test('validates that NodeSelector is respected if not matching', async () => {
      const space = await bench().space()
      await space.create('pods', pod('restricted', { nodeSelector: { label: 'nonempty' } }))
      await untilRefused(space, 'restricted', /2 node\(s\) didn't match Pod's node affinity\/selector/)
      await space.remove()
    })

    test('validates that required NodeAffinity setting is respected if matching', async () => {
      const space = await bench().space()
      const [node] = bench().nodes
      await label(bench(), node!, 'kubernetes.io/e2e-affinity=42')
      const nodeSelectorTerms = [
        { matchExpressions: [{ key: 'kubernetes.io/e2e-affinity', operator: 'In', values: ['42'] }] },
      ]
      const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } }
      await space.create('pods', pod('with-affinity', { affinity }))
      expect((await running(space, 'with-affinity')).spec.nodeName).toBe(node)
      await space.remove()
    })

    test('validates that taints-tolerations is respected', async () => {
      const space = await bench().space()
      const [node] = bench().nodes
      const here = { nodeSelector: { 'kubernetes.io/hostname': node } }
      await bench().kubectl('taint', 'node', node!, 'e2e-taint=yes:PreferNoSchedule')
      await space.create('pods', pod('not-preferred', here))
      await running(space, 'not-preferred')
      await bench().kubectl('taint', 'node', node!, 'e2e-taint-')
      await space.remove()
    })

    test('validates that there is no conflict between pods with same hostPort but different hostIP and protocol', async () => {
      const space = await bench().space()
      const [node] = bench().nodes
      const address = (await bench().api.ok('GET', `/api/v1/nodes/${node}`)).status.addresses.find(
        (one: Loose) => one.type === 'InternalIP',
      ).address
      const on = async (name: string, hostIP: string, protocol: string): Promise<void> => {
        const made = pod(name, { nodeSelector: { 'kubernetes.io/hostname': node } })
        made.spec.containers[0].ports = [{ containerPort: 8080, hostPort: 54_323, hostIP, protocol }]
        await space.create('pods', made)
        await running(space, name)
      }
      await on('pod1', '127.0.0.1', 'TCP')
      await on('pod2', address, 'TCP')
      await on('pod3', address, 'UDP')
      await space.remove()
    })

    test('validates that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP', async () => {
      const space = await bench().space()
      const [node] = bench().nodes
      const on = async (name: string, hostIP: string): Promise<void> => {
        const made = pod(name, { nodeSelector: { 'kubernetes.io/hostname': node } })
        made.spec.containers[0].ports = [{ containerPort: 8080, hostPort: 54_322, hostIP, protocol: 'TCP' }]
        await space.create('pods', made)
      }
      await on('pod4', '')
      await running(space, 'pod4')
      await on('pod5', '127.0.0.1')
      await untilRefused(space, 'pod5', /1 node\(s\) didn't have free ports for the requested pod ports/)
      await space.remove()
    })

    test('validates Pods with non-empty schedulingGates are blocked on scheduling', async () => {
      const space = await bench().space()
      const schedulingGates = [{ name: 'example.com/foo' }, { name: 'example.com/bar' }]
      await space.create('pods', pod('gated', { schedulingGates }))
      await space.until('pods', 'gated', ({ status }) =>
        status.conditions?.some((one: Loose) => one.type === 'PodScheduled' && one.reason === 'SchedulingGated'),
      )
      await space.update('pods', 'gated', ({ spec }) => (spec.schedulingGates = [schedulingGates[1]]))
      await holds(1000, async () => expect((await space.get('pods', 'gated')).spec.nodeName).toBeUndefined())
      await space.update('pods', 'gated', ({ spec }) => delete spec.schedulingGates)
      await running(space, 'gated')
      await space.remove()
    })

    test('validates 4 pods with MaxSkew=1 are evenly distributed into 2 nodes', async () => {
      const space = await bench().space()
      const topologySpreadConstraints = [
        {
          maxSkew: 1,
          topologyKey: 'kubernetes.io/hostname',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { app: 'spread' } },
        },
      ]
      await space.create('replicasets', {
        metadata: { name: 'spread' },
        spec: {
          replicas: 4,
          selector: { matchLabels: { app: 'spread' } },
          template: {
            metadata: { labels: { app: 'spread' } },
            spec: podSpec('sleep 100000', { topologySpreadConstraints }),
          },
        },
      })
      const pods = await space.untilPods(
        'app=spread',
        (found) => found.length === 4 && found.every((one) => one.spec?.nodeName),
      )
      const counts = bench().nodes.map((node) => pods.filter(({ spec }) => spec?.nodeName === node).length)
      expect(counts).toEqual([2, 2])
      await space.remove()
    })
  })

export const preemption = (bench: () => Workbench) =>
  describe.concurrent('[sig-scheduling] SchedulerPreemption', () => {
    /** Two nodes with 3 of a resource each, 2 taken: by a pod of low priority on the first, of medium on the second. */
    async function crowd(space: Space, resource: string): Promise<void> {
      await priorityClass(bench(), 'e2e-low', 1)
      await priorityClass(bench(), 'e2e-medium', 100)
      await priorityClass(bench(), 'e2e-high', 1000)
      for (const [index, node] of bench().nodes.entries()) {
        await advertise(bench(), node, resource, '3')
        const nodeSelectorTerms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }]
        const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } }
        const priorityClassName = index === 0 ? 'e2e-low' : 'e2e-medium'
        await space.create('pods', {
          metadata: { name: `victim-${index}` },
          spec: asking(resource, '2', { affinity, priorityClassName }),
        })
      }
      for (const index of bench().nodes.keys()) await running(space, `victim-${index}`)
    }

    async function onlyTheLowestWent(space: Space): Promise<void> {
      const lowest = await space.send('GET', 'pods', 'victim-0')
      expect(lowest.code === 404 || lowest.body.metadata.deletionTimestamp !== undefined).toBe(true)
      expect((await space.get('pods', 'victim-1')).metadata.deletionTimestamp).toBeUndefined()
    }

    test('validates basic preemption works', async () => {
      const space = await bench().space()
      const resource = 'scheduling.example.com/basic'
      await crowd(space, resource)
      const spec = asking(resource, '2', { priorityClassName: 'e2e-high' })
      await space.create('pods', { metadata: { name: 'preemptor' }, spec })
      expect((await running(space, 'preemptor')).spec.nodeName).toBe(bench().nodes[0])
      await onlyTheLowestWent(space)
      for (const node of bench().nodes) await advertise(bench(), node, resource, null)
      await space.remove()
    })

    test('validates lower priority pod preemption by critical pod', async () => {
      const space = await bench().space()
      const resource = 'scheduling.example.com/critical'
      await crowd(space, resource)
      const spec = asking(resource, '2', { priorityClassName: 'system-cluster-critical' })
      const path = '/api/v1/namespaces/kube-system/pods'
      await bench().api.ok('POST', path, { metadata: { name: 'critical-pod' }, spec })
      await eventually(
        'the critical pod runs',
        async () => (await bench().api.ok('GET', `${path}/critical-pod`)).status.phase === 'Running',
      )
      await onlyTheLowestWent(space)
      await bench().api.ok('DELETE', `${path}/critical-pod`)
      await space.remove()
    })

    test('PodTopologySpread Preemption validates proper pods are preempted', async () => {
      const space = await bench().space()
      const resource = 'example.com/spread'
      await priorityClass(bench(), 'e2e-low', 1)
      await priorityClass(bench(), 'e2e-medium', 100)
      await priorityClass(bench(), 'e2e-high', 1000)
      for (const node of bench().nodes) await advertise(bench(), node, resource, '10')
      const labels = { 'e2e-spread': 'yes' }
      const make = async (
        name: string,
        priorityClassName: string,
        amount: string,
        more: object = {},
      ): Promise<void> => {
        await space.create('pods', {
          metadata: { name, labels },
          spec: asking(resource, amount, { priorityClassName, ...more }),
        })
        await running(space, name)
      }
      await make('high', 'e2e-high', '9')
      for (const index of [1, 2, 3]) await make(`low-${index}`, 'e2e-low', '3')
      const topologySpreadConstraints = [
        {
          maxSkew: 1,
          topologyKey: 'kubernetes.io/hostname',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchExpressions: [{ key: 'e2e-spread', operator: 'Exists' }] },
        },
      ]
      await make('medium', 'e2e-medium', '3', { topologySpreadConstraints })
      const left = await space.untilPods('e2e-spread=yes', (pods) => pods.length === 3)
      expect(left.map(({ metadata }) => metadata.name!.split('-')[0]).toSorted()).toEqual(['high', 'low', 'medium'])
      for (const node of bench().nodes) await advertise(bench(), node, resource, null)
      await space.remove()
    })

    test('PreemptionExecutionPath runs ReplicaSets to verify preemption running path', async () => {
      const space = await bench().space()
      const [node] = bench().nodes
      const resource = 'example.com/fakecpu'
      for (const value of [1, 2, 3, 4]) await priorityClass(bench(), `e2e-path-${value}`, value)
      const patch = { status: { capacity: { [resource]: '1000' } } }
      await bench().api.ok('PATCH', `/api/v1/nodes/${node}/status`, patch, 'application/strategic-merge-patch+json')
      const asks = (index: number, amount: string): object =>
        asking(resource, amount, {
          nodeSelector: { 'kubernetes.io/hostname': node },
          priorityClassName: `e2e-path-${index}`,
        })
      const seen = new Map<string, string>()
      const watching = bench().api.watch(`${space.path('pods')}?watch=1`, ({ type, object }) => {
        const { uid, labels } = (object as Loose).metadata
        if (type === 'ADDED') seen.set(uid, labels.name)
        return labels.name === 'end'
      })
      for (const [index, amount] of ['200', '300', '450'].entries()) {
        const labels = { name: `pod${index + 1}` }
        await space.create('replicasets', {
          metadata: { name: `rs-pod${index + 1}` },
          spec: {
            replicas: 1,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: asks(index + 1, amount) },
          },
        })
        await space.until('replicasets', `rs-pod${index + 1}`, ({ status }) => status.availableReplicas === 1)
      }
      await space.create('pods', { metadata: { name: 'pod4', labels: { name: 'pod4' } }, spec: asks(4, '500') })
      await space.until('pods', 'pod4', ({ status }) => status.nominatedNodeName === node)
      const made = (): number[] =>
        [1, 2, 3].map((index) => [...seen.values()].filter((name) => name === `pod${index}`).length)
      // Those of the first two are removed once, and made again; that of the third stays.
      await eventually('the ReplicaSets replace what went', async () => expect(made()).toEqual([2, 2, 1]))
      await running(space, 'pod4')
      await holds(2000, async () => expect(made()).toEqual([2, 2, 1]))
      await space.create('pods', pod('end', {}, { name: 'end' }))
      await watching
      await advertise(bench(), node!, resource, null)
      await space.remove()
    }, 90_000)

    test('PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods', async () => {
      const { api } = bench()
      const path = '/apis/scheduling.k8s.io/v1/priorityclasses'
      const classes = [
        await priorityClass(bench(), 'e2e-endpoint-1', 1),
        await priorityClass(bench(), 'e2e-endpoint-2', 2),
      ]
      const merge = { headers: { 'content-type': 'application/strategic-merge-patch+json' } }
      const patch = await api('PATCH', `${path}/e2e-endpoint-1`, { ...merge, body: { value: 10 } })
      expect(patch).toMatchObject({ code: 422, body: { reason: 'Invalid' } })
      const put = await api('PUT', `${path}/e2e-endpoint-2`, { body: { ...classes[1], value: 20 } })
      expect(put).toMatchObject({ code: 422, body: { reason: 'Invalid' } })
      const description = 'updated description'
      expect((await api('PATCH', `${path}/e2e-endpoint-1`, { ...merge, body: { description } })).code).toBe(200)
      expect((await api('PUT', `${path}/e2e-endpoint-2`, { body: { ...classes[1], description } })).code).toBe(200)
      const { items } = await api.ok('GET', path)
      for (const one of classes) {
        const live = items.find(({ metadata }: Loose) => metadata.name === one.metadata.name)
        expect(live).toMatchObject({ value: one.value, description })
        await api.ok('DELETE', `${path}/${one.metadata.name}`)
      }
    })
  })

export const limitRanges = (bench: () => Workbench) =>
  describe.concurrent('[sig-scheduling] LimitRange', () => {
    const amounts = (cpu: string, memory: string, storage: string): object => ({
      cpu,
      memory,
      'ephemeral-storage': storage,
    })
    const limits = {
      type: 'Container',
      min: amounts('50m', '100Mi', '100Gi'),
      max: amounts('500m', '500Mi', '500Gi'),
      default: amounts('500m', '500Mi', '500Gi'),
      defaultRequest: amounts('100m', '200Mi', '200Gi'),
    }
    const withResources = (name: string, resources: object): Loose => {
      const made = pod(name)
      made.spec.containers[0].resources = resources
      return made
    }

    test('should create a LimitRange with defaults and ensure pod has those defaults applied', async () => {
      const space = await bench().space()
      const watching = bench().api.watch(`${space.path('limitranges')}?watch=1`, ({ type }) => type === 'ADDED')
      await space.create('limitranges', { metadata: { name: 'limits' }, spec: { limits: [limits] } })
      await watching
      const plain = await space.create('pods', pod('no-resources'))
      expect(plain.spec.containers[0].resources).toEqual({ limits: limits.default, requests: limits.defaultRequest })
      const partial = await space.create('pods', withResources('partial', {
        requests: { cpu: '150m', memory: '150Mi' }, limits: { cpu: '300m', 'ephemeral-storage': '500Gi' },
      })) // prettier-ignore
      expect(partial.spec.containers[0].resources).toEqual({
        // A request that is not said is the limit that is; only then the range's defaults come.
        requests: amounts('150m', '150Mi', '500Gi'),
        limits: amounts('300m', '500Mi', '500Gi'),
      })
      const small = await space.send(
        'POST',
        'pods',
        undefined,
        withResources('small', { requests: amounts('10m', '50Mi', '50Gi') }),
      )
      expect(small.code).toBe(403)
      expect(small.body.message).toMatch(/minimum cpu usage per Container is 50m, but request is 10m/)
      const large = await space.send(
        'POST',
        'pods',
        undefined,
        withResources('large', { limits: amounts('600m', '600Mi', '600Gi') }),
      )
      expect(large.code).toBe(403)
      await space.update('limitranges', 'limits', ({ spec }) => (spec.limits[0].min = amounts('9m', '49Mi', '49Gi')))
      await eventually(
        'the new minimum',
        async () =>
          (
            await space.send(
              'POST',
              'pods',
              undefined,
              withResources('small', { requests: amounts('10m', '50Mi', '50Gi') }),
            )
          ).code === 201,
      )
      await space.delete('limitranges', 'limits')
      await space.untilGone('limitranges', 'limits')
      expect(
        (
          await space.send(
            'POST',
            'pods',
            undefined,
            withResources('larger', { limits: amounts('600m', '600Mi', '600Gi') }),
          )
        ).code,
      ).toBe(201)
      await space.remove()
    })

    test('should list, patch and delete a LimitRange by collection', async () => {
      const space = await bench().space()
      const labels = { 'e2e-limits': 'yes' }
      await space.create('limitranges', { metadata: { name: 'limits', labels }, spec: { limits: [limits] } })
      const everywhere = await bench().api.ok('GET', '/api/v1/limitranges?labelSelector=e2e-limits=yes')
      expect(everywhere.items).toHaveLength(1)
      const patched = await space.patch('limitranges', 'limits', {
        metadata: { labels: { limits: 'patched' } },
        spec: { limits: [{ ...limits, min: amounts('40m', '50Mi', '50Gi') }] },
      })
      expect(patched.metadata.labels.limits).toBe('patched')
      expect(patched.spec.limits[0].min.cpu).toBe('40m')
      await space.deleteCollection('limitranges', 'limits=patched')
      expect(await space.list('limitranges')).toEqual([])
      await space.remove()
    })
  })
