import type { KubeObject } from '../../src/api/object.ts'
import { isStatus } from '../../src/api/status-error.ts'

/**
 * How a write ended for its client. `refused`: an answer that says it was not made. `unknown`: no answer, or one that
 * leaves it open; it may have happened at any time since, or may never happen.
 */
export type Outcome = 'acknowledged' | 'refused' | 'unknown'

/** A plain create or delete of an object with a name of its own. */
export interface DeclaredWrite {
  readonly node: string
  readonly verb: 'create' | 'delete'
  readonly name: string
  readonly outcome: Outcome
  readonly error: string
}

/** A patch of one field; several clients may write it. */
export interface FieldWrite {
  readonly node: string
  readonly field: string
  readonly value: string
  readonly outcome: Outcome
}

/** A replacement of one object under the resourceVersion that was read; every state has a value of its own. */
export interface ConditionalWrite {
  readonly node: string
  readonly register: string
  readonly expected: string
  readonly value: string
  readonly calledMs: number
  readonly returnedMs: number
  readonly outcome: Outcome
  readonly error: string
}

/** From when until when a client may have thought itself the holder of the Lease. */
export interface Holding {
  readonly holder: string
  readonly fromMs: number
  readonly untilMs: number
}

/** A node's word for who leads. */
export interface LeaderSighting {
  readonly node: string
  readonly term: number
  readonly leader: string
}

/** What a Service was given, in the answer to its creation. */
export interface AllocatedService {
  readonly node: string
  readonly name: string
  readonly object: KubeObject
}

/** All that the clients of one run did and saw. It is bounded by the length of the run. */
export interface History {
  readonly declared: DeclaredWrite[]
  readonly fields: FieldWrite[]
  readonly conditional: ConditionalWrite[]
  readonly holdings: Holding[]
  readonly leaders: LeaderSighting[]
  readonly services: AllocatedService[]
  readonly faults: string[]
}

export const emptyHistory = (): History => ({
  declared: [],
  fields: [],
  conditional: [],
  holdings: [],
  leaders: [],
  services: [],
  faults: [],
})

/** Every 4xx is said before a write; 503 promises that none was made, and only it: 500, 504 and silence promise nothing. */
export function outcomeOf(error: unknown): Outcome {
  if (error === undefined) return 'acknowledged'
  if (!isStatus(error)) return 'unknown'
  return error.code < 500 || error.code === 503 ? 'refused' : 'unknown'
}

/** The error of a promise, or its value. */
export async function settled<T>(promise: Promise<T>): Promise<{ value?: T; error?: Error }> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}
