import type { BenchCluster } from './support/bench-cluster.ts'

/** One line of what a bench found. */
export interface Row {
  /** What was measured, in a few words. */
  readonly what: string
  readonly value: number
  /** Of `value` and of `against.value`: `ms`, `/s`, `MB`, `Gbit/s`… */
  readonly unit: string
  /** Of the single operations, when `value` is a rate or a mean. */
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** Something real that was measured in the same run, on the same machine, in the same unit. */
  readonly against?: Comparison
  readonly goal?: Goal
}

export interface Comparison {
  readonly what: string
  readonly value: number
  /** Where both were measured in turn: the median of the rounds' ratios, which says more than the ratio of medians. */
  readonly ratio?: number
}

/** What the project holds itself to: a bound of the value, of its ratio to `against`, or of the slowest hundredth. */
export interface Goal {
  readonly of: 'value' | 'ratio' | 'p99Ms'
  readonly atMost?: number
  readonly atLeast?: number
}

/** What the command line and the main program hand to each bench. */
export interface BenchOptions {
  /** Aborted by Ctrl-C; a bench then throws, and what it started is removed. */
  readonly signal: AbortSignal
  /** Says on stderr what takes long. */
  progress(line: string): void
  /** The local cluster of this run, started when the first bench asks for it. */
  readonly cluster: BenchCluster
  /** A directory that is removed at the end. */
  readonly scratchDir: string
  /** Single measurements of what is measured one at a time. */
  readonly samples: number
  /** How long each rate is measured. */
  readonly durationMs: number
  readonly replicas: number
  /** Open ones during the rolling update. */
  readonly connections: number
  readonly gossipNodes: readonly number[]
}

/** A benchmark. Each is a file of its own; what it starts it also stops, also when it fails. */
export interface Bench {
  readonly name: string
  readonly summary: string
  /** Needs machines made of namespaces, which needs root. */
  readonly needsRoot: boolean
  run(options: BenchOptions): Promise<Row[]>
}
