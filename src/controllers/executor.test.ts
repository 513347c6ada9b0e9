import { expect, test } from 'vitest'
import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import { type Client, refs } from '../client/client.ts'
import type { Creation } from './controller.ts'
import { execute } from './executor.ts'

const pod: KubeObject = { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'web-' } }
const creation: Creation = { do: 'create', ref: refs.pods, object: pod }

/** Creates `count` slowly, with room for so many; answers with how many were asked for. */
async function createSlowly(count: number, room: number): Promise<{ asked: number; error: unknown }> {
  let asked = 0
  const create = async (_ref: unknown, object: KubeObject): Promise<KubeObject> => {
    asked++
    if (asked > room) throw errors.forbidden(refs.pods, 'web', 'exceeded quota')
    return object
  }
  const creations = Array.from({ length: count }, () => creation)
  const error = await execute(
    [{ do: 'createSlowly', creations }],
    { create } as unknown as Client,
    { event: () => undefined },
    new AbortController().signal,
  ).catch((thrown: unknown) => thrown)
  return { asked, error }
}

test('what is created slowly is all created when nothing stands in the way', async () => {
  expect(await createSlowly(500, 500)).toEqual({ asked: 500, error: undefined })
})

test('the batch in which a creation fails is the last: 1, 2, 4, …', async () => {
  expect(await createSlowly(500, 0)).toMatchObject({ asked: 1, error: { reason: 'Forbidden' } })
  expect(await createSlowly(500, 1)).toMatchObject({ asked: 3, error: { reason: 'Forbidden' } })
  expect(await createSlowly(500, 10)).toMatchObject({ asked: 15, error: { reason: 'Forbidden' } })
})
