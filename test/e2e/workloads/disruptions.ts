import { describe, expect, test } from 'vitest'
import { eventually, isReady, type Loose, names, type Space, template, type Workbench } from './fixture.ts'

const labels = { app: 'guarded' }
const resource = 'poddisruptionbudgets'

const budget = (name: string, spec: object): Loose => ({
  metadata: { name, labels: { special: 'budget' } },
  spec: { selector: { matchLabels: labels }, ...spec },
})

async function guardedPods(space: Space, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { metadata, spec } = template(labels)
    await space.create('pods', { metadata: { ...metadata, name: `guarded-${index}` }, spec })
  }
  await space.untilPods('app=guarded', (pods) => pods.length === count && pods.every(isReady))
}

const evict = (space: Space, name: string) =>
  space.send('POST', 'pods', `${name}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } })

const untilAllowed = (space: Space, count: number): Promise<Loose> =>
  space.until(
    resource,
    'budget',
    ({ metadata, status }) => status?.observedGeneration === metadata.generation && status.disruptionsAllowed === count,
  )

export const disruptions = (bench: () => Workbench) =>
  describe.concurrent('[sig-apps] DisruptionController', () => {
    test('should create a PodDisruptionBudget', async () => {
      const space = await bench().space()
      await space.create(resource, budget('budget', { minAvailable: '1%' }))
      const updated = await space.update(resource, 'budget', (object) => (object.spec.minAvailable = '2%'))
      expect(updated.spec.minAvailable).toBe('2%')
      const patched = await space.patch(resource, 'budget', { spec: { minAvailable: '3%' } })
      expect(patched.spec.minAvailable).toBe('3%')
      await space.delete(resource, 'budget')
      await space.untilGone(resource, 'budget')
      await space.remove()
    })

    test('should observe PodDisruptionBudget status updated', async () => {
      const space = await bench().space()
      await space.create(resource, budget('budget', { minAvailable: 1 }))
      await guardedPods(space, 3)
      const { status } = await untilAllowed(space, 2)
      expect(status).toMatchObject({ currentHealthy: 3, desiredHealthy: 1, expectedPods: 3 })
      expect(status.conditions).toContainEqual(
        expect.objectContaining({ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods' }),
      )
      await space.remove()
    })

    test('should update/patch PodDisruptionBudget status', async () => {
      const space = await bench().space()
      await space.create(resource, budget('budget', { minAvailable: 1 }))
      await guardedPods(space, 1)
      await space.until(resource, 'budget', ({ status }) => status?.currentHealthy === 1)
      const when = '2026-01-02T03:04:05Z'
      const updated = await space.update(
        resource,
        'budget/status',
        ({ status }) => (status.disruptedPods = { 'guarded-0': when }),
      )
      expect(updated.status.disruptedPods).toEqual({ 'guarded-0': when })
      const read = await space.get(resource, 'budget/status')
      expect(read.metadata.name).toBe('budget')
      const patched = await space.patch(resource, 'budget/status', { status: { disruptedPods: null } }, 'merge')
      expect(patched.status.disruptedPods ?? {}).toEqual({})
      await space.remove()
    })

    test('should block an eviction until the PDB is updated to allow it', async () => {
      const space = await bench().space()
      await space.create(resource, budget('budget', { minAvailable: 3 }))
      await guardedPods(space, 3)
      await untilAllowed(space, 0)
      const refused = await evict(space, 'guarded-0')
      expect(refused.code).toBe(429)
      expect(refused.body).toMatchObject({
        reason: 'TooManyRequests',
        details: { causes: [{ reason: 'DisruptionBudget' }] },
      })
      await space.update(resource, 'budget', (object) => (object.spec.minAvailable = 2))
      await untilAllowed(space, 1)
      expect((await evict(space, 'guarded-0')).code).toBe(201)
      await untilAllowed(space, 0)
      const patched = await space.patch(resource, 'budget', { spec: { minAvailable: 1 } })
      expect(patched.spec.minAvailable).toBe(1)
      await untilAllowed(space, 1)
      expect((await evict(space, 'guarded-1')).code).toBe(201)
      await space.untilGone('pods', 'guarded-1')
      await space.remove()
    })

    test('should block the eviction of the last of pods that an unmanaged budget covers by maxUnavailable', async () => {
      const space = await bench().space()
      const owned = {
        metadata: { name: 'guarded', labels },
        spec: { replicas: 2, selector: { matchLabels: labels }, template: template(labels) },
      }
      await space.create('replicasets', owned)
      const pods = await space.untilPods('app=guarded', (found) => found.length === 2 && found.every(isReady))
      await space.create(resource, budget('budget', { maxUnavailable: 1 }))
      await untilAllowed(space, 1)
      const answers = await Promise.all(pods.map(({ metadata }) => evict(space, metadata.name!)))
      // Two at once: one of them may go.
      expect(answers.filter(({ code }) => code === 201)).toHaveLength(1)
      await untilAllowed(space, 1)
      await space.remove()
    })

    test('Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets', async () => {
      const space = await bench().space()
      for (const name of ['a', 'b', 'c']) {
        const made = budget(name, { maxUnavailable: 1 })
        made.metadata.labels = { special: 'collection' }
        await space.create(resource, made)
      }
      const everywhere = await bench().api.ok(
        'GET',
        '/apis/policy/v1/poddisruptionbudgets?labelSelector=special=collection',
      )
      expect(names(everywhere.items)).toEqual(['a', 'b', 'c'])
      await space.deleteCollection(resource, 'special=collection')
      await eventually('none', async () => (await space.list(resource)).length === 0)
      await space.remove()
    })
  })
