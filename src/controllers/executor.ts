import type { KubeObject } from '../api/object.ts'
import { isStatus, StatusError } from '../api/status-error.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Action } from './controller.ts'

/** Actions of one plan that run at the same time; creations of hundreds of pods would otherwise flood the store. */
const concurrency = 16

/**
 * Carries out a plan. What is already so is no error: creating what exists, deleting or changing what is gone. Other
 * failures are gathered and thrown once, after everything that could be done was done.
 */
export async function execute(
  actions: readonly Action[],
  client: Client,
  events: EventRecorder,
  signal: AbortSignal,
): Promise<void> {
  const failures: unknown[] = []
  const rest = actions.values()
  const worker = async (): Promise<void> => {
    for (const action of rest) {
      signal.throwIfAborted()
      try {
        await executeOne(action, client, events, signal)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, actions.length) }, worker))
  if (failures.length > 0) throw failures[0]
}

async function executeOne(action: Action, client: Client, events: EventRecorder, signal: AbortSignal): Promise<void> {
  const followUp = async (next: Action | Action[]): Promise<void> => {
    for (const one of Array.isArray(next) ? next : [next]) await executeOne(one, client, events, signal)
  }
  switch (action.do) {
    case 'createSlowly': {
      let left = action.creations
      for (let size = 1; left.length > 0; size *= 2) {
        await execute(left.slice(0, size), client, events, signal)
        left = left.slice(size)
      }
      return
    }
    case 'event':
      return events.event(action.about, action.type, action.reason, action.message)
    case 'compute':
      return followUp(await action.compute(signal))
    case 'create':
      try {
        const created = await client.create(action.ref, action.object, { signal })
        if (action.created) await followUp(action.created(created))
      } catch (error) {
        if (isStatus(error, 'AlreadyExists')) return
        if (action.failed && error instanceof StatusError) await followUp(action.failed(error.message))
        if (isNamespaceEnding(error)) return
        throw error
      }
      return
    case 'delete': {
      const { gracePeriodSeconds, propagationPolicy, uid } = action
      const preconditions = action.isConditional ? { uid } : undefined
      const current = await client.get(action.ref, action.namespace, action.name, { signal }).catch(() => undefined)
      // A plan is about one object, not about whatever bears its name now.
      if (current?.metadata.uid !== action.uid) return
      const options = { gracePeriodSeconds, propagationPolicy, preconditions, signal }
      return ignoring(client.delete(action.ref, action.namespace, action.name, options), 'NotFound')
    }
    case 'mutate': {
      const change = (current: KubeObject): KubeObject | undefined =>
        current.metadata.uid === action.uid ? action.change(current) : undefined
      try {
        await client.mutate(action.ref, action.namespace, action.name, change, {
          subresource: action.subresource,
          signal,
        })
      } catch (error) {
        if (isStatus(error, 'NotFound')) return
        throw error
      }
      return action.next && followUp(action.next)
    }
  }
}

/** Nothing is made any more in a namespace on its way out, however often one asks. */
const isNamespaceEnding = (error: unknown): boolean =>
  error instanceof StatusError && (error.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating')

async function ignoring(promise: Promise<unknown>, reason: 'AlreadyExists' | 'NotFound'): Promise<void> {
  try {
    await promise
  } catch (error) {
    if (!isStatus(error, reason)) throw error
  }
}
