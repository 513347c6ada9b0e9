import { expect } from 'vitest'
import { type Loose, ownCondition, type Space } from './fixture.ts'

/**
 * What upstream asks of every status subresource: it is read, replaced and patched by itself, and its controller keeps
 * the conditions of others.
 */
export async function statusEndpoints(space: Space, resource: string, name: string): Promise<void> {
  const read = await space.get(resource, `${name}/status`)
  expect(read.metadata.name).toBe(name)
  const withCondition = (object: Loose, status: string): void => {
    const others = (object.status.conditions ?? []).filter((one: Loose) => one.type !== 'StatusUpdate')
    object.status.conditions = [...others, ownCondition(status)]
  }
  const updated = await space.update(resource, `${name}/status`, (object) => {
    withCondition(object, 'True')
    object.spec.replicas = 99
  })
  expect(updated.status.conditions).toContainEqual(expect.objectContaining(ownCondition('True')))
  expect(updated.spec.replicas).not.toBe(99)
  const patched = await space.patch(
    resource,
    `${name}/status`,
    { status: { conditions: [ownCondition('False')] } },
    'merge',
  )
  expect(patched.status.conditions).toContainEqual(expect.objectContaining(ownCondition('False')))
  // The controller writes its own part in the meantime; what it does not know it leaves.
  await space.patch(resource, name, { metadata: { annotations: { touched: 'yes' } } })
  await space.patch(resource, name, { spec: { template: { metadata: { labels: { touched: 'yes' } } } } })
  await space.until(
    resource,
    name,
    ({ metadata, status }) =>
      status.observedGeneration === metadata.generation &&
      status.conditions.some((one: Loose) => one.type === 'StatusUpdate' && one.status === 'False'),
  )
}
