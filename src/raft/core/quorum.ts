import type { RaftId } from './types.ts'

/** Votes or copies that make a majority of `count` servers. */
export const majority = (count: number): number => Math.floor(count / 2) + 1

/** The highest value that a majority of `voters` has reached; -Infinity without voters. */
export function majorityValue(voters: readonly RaftId[], valueOf: (id: RaftId) => number): number {
  const values = voters.map(valueOf).sort((left, right) => right - left)
  return values[majority(voters.length) - 1] ?? -Infinity
}

export type Tally = 'won' | 'lost' | 'pending'

/** Counts the answers so far; those of servers that are no voters do not count. */
export function tally(voters: readonly RaftId[], answers: ReadonlyMap<RaftId, boolean>): Tally {
  const granted = voters.filter((id) => answers.get(id) === true).length
  const refused = voters.filter((id) => answers.get(id) === false).length
  if (voters.length > 0 && granted >= majority(voters.length)) return 'won'
  return voters.length - refused < majority(voters.length) ? 'lost' : 'pending'
}
