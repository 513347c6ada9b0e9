import type { Conflict } from '../store/conflict.ts'
import type { RegisterOperation } from './linearizability.ts'
import type { NodeReads } from './reads.ts'
import type { WatchObserver } from './watch-observer.ts'

export type Outcome = 'pending' | 'ok' | 'refused' | 'unknown'

/** A declared write of one field, with a value that nobody else writes. */
export interface DeclaredWrite {
  readonly node: string
  readonly name: string
  readonly field: string
  readonly value: string
  readonly calledMs: number
  returnedMs: number
  /** What its node showed in that field when it was asked, and at any time until it answered. */
  readonly saw: Set<string>
  /** The incarnation that it went to. */
  uid: string
  outcome: Outcome
}

/** A decided write of a register. */
export interface RegisterWrite {
  readonly register: string
  readonly op: RegisterOperation['op']
  readonly id: string
  readonly calledMs: number
  returnedMs: number
  outcome: Outcome
}

export interface Binding {
  readonly pod: string
  readonly node: string
  outcome: Outcome
}

export interface ServedAddress {
  readonly service: string
  readonly ip: string
  readonly port: number
  outcome: Outcome
  /** Somebody asked for its deletion: from then on the address may be given anew. */
  isGivenUp: boolean
}

export interface Claim {
  readonly ip: string
  readonly owner: string
  outcome: Outcome
}

/** Something that must never be. */
export interface Problem {
  readonly invariant: string
  readonly what: string
}

/** Everything that clients did and were told in one run. */
export class Records {
  readonly declared: DeclaredWrite[] = []
  readonly registers: RegisterWrite[] = []
  readonly bindings: Binding[] = []
  readonly served: ServedAddress[] = []
  readonly claims: Claim[] = []
  readonly conflicts: Conflict[] = []
  /** Names of ConfigMaps whose deletion somebody asked for. */
  readonly removed = new Set<string>()
  readonly problems: Problem[] = []
  readonly leaders = new Map<number, string>()
  observers: WatchObserver[] = []
  /** One a life of a node. */
  readonly reads: NodeReads[] = []

  readonly problem = (invariant: string, what: string): void => {
    if (this.problems.length < 20) this.problems.push({ invariant, what })
  }

  noteLeader(term: number, node: string): void {
    const known = this.leaders.get(term)
    if (known !== undefined && known !== node) {
      this.problem('at most one leader a term', `term ${term}: ${known} and ${node}`)
    }
    this.leaders.set(term, node)
  }
}
