import { describe, expect, test } from 'vitest'
import type { Pod } from '../../../src/api/kinds.ts'
import { sortedKeys } from '../../../src/lib/canonical-json.ts'
import {
  eventually,
  images,
  isReady,
  type Loose,
  names,
  podSpec,
  type Space,
  template,
  type Workbench,
  workload,
} from './fixture.ts'
import { statusEndpoints } from './status-endpoints.ts'

const labels = { app: 'agent' }
const daemonSet = (spec: object = {}): Loose => workload('agent', labels, spec)

const onNodes = (space: Space, nodes: readonly string[], fits: (pod: Pod) => boolean = () => true): Promise<Pod[]> =>
  space.untilPods(
    'app=agent',
    (pods) =>
      `${pods.map(({ spec }) => spec?.nodeName).toSorted()}` === `${nodes.toSorted()}` &&
      pods.every((pod) => isReady(pod) && fits(pod)),
  )

const hashLabel = 'controller-revision-hash'
const imagePatch = (image: string): object => ({
  spec: { template: { spec: { containers: [{ name: 'app', image }] } } },
})

export const daemonSets = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] Daemon set', () => {
    test('should run and stop simple daemon', async () => {
      const space = await bench().space()
      await space.create('daemonsets', daemonSet())
      const [pod] = await onNodes(space, bench().nodes)
      await space.delete('pods', pod!.metadata.name!)
      await onNodes(space, bench().nodes, ({ metadata }) => metadata.uid !== pod!.metadata.uid)
      const { status } = await space.until('daemonsets', 'agent', (object) => object.status.numberReady === 2)
      expect(status).toMatchObject({ desiredNumberScheduled: 2, currentNumberScheduled: 2, numberMisscheduled: 0 })
      await space.delete('daemonsets', 'agent', { propagationPolicy: 'Foreground' })
      await space.untilGone('daemonsets', 'agent')
      expect(await space.pods('app=agent')).toEqual([])
      await space.remove()
    })

    test('should run and stop complex daemon', async () => {
      const space = await bench().space()
      const [node] = bench().nodes
      const color = (value: string | null): Promise<unknown> =>
        bench().kubectl(
          'label',
          '--overwrite',
          'node',
          node!,
          value === null ? 'daemonset-color-' : `daemonset-color=${value}`,
        )
      const selecting = (value: string): object => ({
        template: template(labels, { nodeSelector: { 'daemonset-color': value } }),
      })
      await space.create('daemonsets', daemonSet(selecting('blue')))
      await space.until(
        'daemonsets',
        'agent',
        ({ status }) => status.observedGeneration === 1 && status.desiredNumberScheduled === 0,
      )
      expect(await space.pods('app=agent')).toEqual([])
      await color('blue')
      await onNodes(space, [node!])
      await color('green')
      await onNodes(space, [])
      await space.patch('daemonsets', 'agent', { spec: selecting('green') })
      await onNodes(space, [node!])
      await color(null)
      await space.remove()
    })

    test('should run and stop complex daemon with node affinity', async () => {
      const space = await bench().space()
      const [, node] = bench().nodes
      const affinity = {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'daemonset-shape', operator: 'In', values: ['round'] }] }],
          },
        },
      }
      await space.create('daemonsets', daemonSet({ template: template(labels, { affinity }) }))
      await space.until('daemonsets', 'agent', ({ status }) => status.observedGeneration === 1)
      await bench().kubectl('label', '--overwrite', 'node', node!, 'daemonset-shape=round')
      await onNodes(space, [node!])
      await bench().kubectl('label', 'node', node!, 'daemonset-shape-')
      await onNodes(space, [])
      await space.remove()
    })

    test('should retry creating failed daemon pods', async () => {
      const space = await bench().space()
      await space.create('daemonsets', daemonSet())
      const [pod] = await onNodes(space, bench().nodes)
      await space.update('pods', `${pod!.metadata.name}/status`, (object) => (object.status.phase = 'Failed'))
      await onNodes(space, bench().nodes, ({ metadata }) => metadata.uid !== pod!.metadata.uid)
      await space.untilGone('pods', pod!.metadata.name!)
      await space.remove()
    })

    test('should not update pod when spec was updated and update strategy is OnDelete', async () => {
      const space = await bench().space()
      await space.create('daemonsets', daemonSet({ updateStrategy: { type: 'OnDelete' } }))
      const before = names(await onNodes(space, bench().nodes))
      await space.patch('daemonsets', 'agent', imagePatch(images[1]))
      await space.until('daemonsets', 'agent', ({ status }) => status.observedGeneration === 2)
      await eventually(
        'a second revision',
        async () => (await space.list('controllerrevisions', 'app=agent')).length === 2,
      )
      expect(names(await onNodes(space, bench().nodes))).toEqual(before)
      await space.remove()
    })

    test('should update pod when spec was updated and update strategy is RollingUpdate', async () => {
      const space = await bench().space()
      await space.create('daemonsets', daemonSet())
      const pods = await onNodes(space, bench().nodes)
      const [first] = await space.list('controllerrevisions', 'app=agent')
      expect(first.revision).toBe(1)
      for (const { metadata } of pods) expect(metadata.labels![hashLabel]).toBe(first.metadata.labels[hashLabel])
      // Clients find the revision of a template by its bytes: those that Go writes for a map.
      const set = await space.get('daemonsets', 'agent')
      const patch = sortedKeys({ spec: { template: { ...set.spec.template, $patch: 'replace' } } })
      const { bytes } = await space.send('GET', 'controllerrevisions', first.metadata.name)
      expect(bytes.toString()).toContain(`"data":${JSON.stringify(patch)}`)
      const gaps: number[] = []
      const watching = bench().api.watch(
        `${space.path('daemonsets')}?watch=1&timeoutSeconds=60`,
        ({ object: { status } }) => {
          if (status.observedGeneration > 1) gaps.push(status.numberUnavailable ?? 0)
          return status.observedGeneration > 1 && status.updatedNumberScheduled === 2 && status.numberAvailable === 2
        },
      )
      await space.patch('daemonsets', 'agent', imagePatch(images[1]))
      await onNodes(space, bench().nodes, ({ spec }) => spec!.containers[0]!.image === images[1])
      await watching
      expect(Math.max(...gaps)).toBeLessThanOrEqual(1)
      const revisions = await space.list('controllerrevisions', 'app=agent')
      expect(revisions.map((one) => one.revision).toSorted()).toEqual([1, 2])
      const newest = revisions.find((one) => one.revision === 2)
      for (const { metadata } of await space.pods('app=agent'))
        expect(metadata.labels![hashLabel]).toBe(newest.metadata.labels[hashLabel])
      await space.remove()
    })

    test('should rollback without unnecessary restarts', async () => {
      const space = await bench().space()
      await space.create('daemonsets', daemonSet())
      const before = await onNodes(space, bench().nodes)
      await space.patch('daemonsets', 'agent', imagePatch('stormo-nowhere:1'))
      const half = await space.untilPods(
        'app=agent',
        (pods) =>
          pods.length === 2 &&
          pods.filter(({ spec }) => spec!.containers[0]!.image === 'stormo-nowhere:1').length === 1,
      )
      await space.patch('daemonsets', 'agent', imagePatch(images[0]))
      const after = await onNodes(space, bench().nodes, ({ spec }) => spec!.containers[0]!.image === images[0])
      const kept = half
        .filter(({ spec }) => spec!.containers[0]!.image === images[0])
        .map(({ metadata }) => metadata.uid)
      expect(kept).toHaveLength(1)
      expect(before.map(({ metadata }) => metadata.uid)).toContain(kept[0])
      expect(after.map(({ metadata }) => metadata.uid)).toContain(kept[0])
      const revisions = await space.list('controllerrevisions', 'app=agent')
      expect(revisions.map((one) => one.revision).toSorted()).toEqual([2, 3])
      await space.remove()
    })

    test('should surge pods onto nodes when spec was updated and update strategy is RollingUpdate', async () => {
      const space = await bench().space()
      const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
      await space.create('daemonsets', daemonSet({ updateStrategy }))
      await onNodes(space, bench().nodes)
      let fewest = 2
      const watching = bench().api.watch(
        `${space.path('daemonsets')}?watch=1&timeoutSeconds=60`,
        ({ object: { status } }) => {
          fewest = Math.min(fewest, status.numberAvailable ?? 0)
          return status.observedGeneration > 1 && status.updatedNumberScheduled === 2 && status.numberAvailable === 2
        },
      )
      await space.patch('daemonsets', 'agent', imagePatch(images[1]))
      await watching
      expect(fewest).toBe(2)
      await onNodes(space, bench().nodes, ({ spec }) => spec!.containers[0]!.image === images[1])
      await space.remove()
    })

    test('should list and delete a collection of DaemonSets', async () => {
      const space = await bench().space()
      await space.create('daemonsets', daemonSet())
      await onNodes(space, bench().nodes)
      const all = await bench().api.ok('GET', '/apis/apps/v1/daemonsets?labelSelector=app=agent')
      expect(all.items.filter(({ metadata }: Loose) => metadata.namespace === space.namespace)).toHaveLength(1)
      await space.deleteCollection('daemonsets', 'app=agent')
      await space.untilGone('daemonsets', 'agent')
      await onNodes(space, [])
      await space.remove()
    })

    test('should verify changes to a daemon set status', async () => {
      const space = await bench().space()
      await space.create('daemonsets', daemonSet())
      await onNodes(space, bench().nodes)
      await statusEndpoints(space, 'daemonsets', 'agent')
      await space.remove()
    })
  })

export const controllerRevisions = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] ControllerRevision', () => {
    test('should manage the lifecycle of a ControllerRevision', async () => {
      const space = await bench().space()
      const resource = 'controllerrevisions'
      const revisions = (count: number): Promise<Loose[]> =>
        eventually(`${count} revisions`, async () => {
          const found = await space.list(resource, 'app=agent')
          return found.length === count && found
        })
      const set = await space.create('daemonsets', daemonSet({ template: { metadata: { labels }, spec: podSpec() } }))
      await onNodes(space, bench().nodes)
      const [first] = await revisions(1)
      expect(first.metadata.ownerReferences[0]).toMatchObject({ kind: 'DaemonSet', uid: set.metadata.uid })
      const name: string = first.metadata.name
      const patched = await space.patch(resource, name, { metadata: { labels: { [name]: 'patched' } } })
      expect(patched.metadata.labels[name]).toBe('patched')
      const other = await space.create(resource, {
        metadata: {
          name: 'agent-made-by-hand',
          labels: { ...labels, [hashLabel]: 'made-by-hand' },
          ownerReferences: first.metadata.ownerReferences,
        },
        data: first.data,
        revision: first.revision + 1,
      })
      await revisions(2)
      await space.delete(resource, name)
      const [kept] = await revisions(1)
      const keptName: string = kept.metadata.name
      expect(kept.revision).toBeGreaterThanOrEqual(other.revision)
      const updated = await space.update(resource, keptName, (object) => (object.metadata.labels[keptName] = 'updated'))
      expect(updated.metadata.labels[keptName]).toBe('updated')
      await space.patch('daemonsets', 'agent', { spec: { template: { spec: { terminationGracePeriodSeconds: 1 } } } })
      await revisions(2)
      await space.deleteCollection(resource, `${keptName}=updated`)
      const [last] = await revisions(1)
      expect(last.revision).toBe(3)
      await space.remove()
    })
  })
