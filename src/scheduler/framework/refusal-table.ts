import type { Refusal } from './framework.ts'
import type { NodeInfo } from './node-info.ts'
import { createVerdicts, type LiveVerdicts, type Verdict, type Verdicts } from './verdicts.ts'

/** Nodes that refuse every pod of one kind, by filters that look at the node alone; the others are open. */
export interface RefusalTable {
  readonly refused: Verdicts
  readonly open: ReadonlySet<NodeInfo>
  /** An open node turned out to refuse as well. */
  refuse(node: NodeInfo, verdict: Verdict): void
  /** Nodes of those that refuse where others going may let the pod in. */
  readonly hopeful: ReadonlySet<NodeInfo>
  /** Nodes that turned out to help nobody of the kind, whoever is driven out, and why, while they stay as they are. */
  readonly hopeless: ReadonlyMap<NodeInfo, Refusal>
  giveUp(node: NodeInfo, refusal: Refusal): void
}

/**
 * Remembers, for kinds of pods that found little room, which nodes need no second look: the next attempt of the kind
 * costs as many nodes as changed in between, not all of them.
 */
export interface RefusalTables {
  /** The table of a kind, brought up to date; undefined when there is none. */
  get(kind: number): RefusalTable | undefined
  /** Starts a table from a look at all nodes. */
  set(kind: number, refused: Iterable<Verdict>, open: ReadonlySet<NodeInfo>): void
  /** The node or its pods changed. */
  changed(node: NodeInfo): void
  /** Nodes came or went: nothing of before holds. */
  clear(): void
}

interface LiveTable extends RefusalTable {
  readonly refused: LiveVerdicts
  readonly open: Set<NodeInfo>
  readonly hopeful: Set<NodeInfo>
  readonly hopeless: Map<NodeInfo, Refusal>
}

/** Kinds that are remembered at once: each costs every change a look, and a cluster's worth of entries. */
const maxTables = 16

export function createRefusalTables(): RefusalTables {
  const tables = new Map<number, LiveTable>()
  return {
    get(kind) {
      const table = tables.get(kind)
      if (!table) return undefined
      // The kind that was not asked for longest goes first.
      tables.delete(kind)
      tables.set(kind, table)
      return table
    },
    set(kind, refused, open) {
      const table: LiveTable = {
        refused: createVerdicts(),
        open: new Set(open),
        hopeful: new Set(),
        hopeless: new Map(),
        refuse(node, verdict) {
          table.open.delete(node)
          table.refused.add(verdict)
          if (!verdict.refusal.forGood) table.hopeful.add(node)
        },
        giveUp(node, refusal) {
          table.hopeful.delete(node)
          table.hopeless.set(node, refusal)
        },
      }
      for (const verdict of refused) table.refuse(verdict.node, verdict)
      tables.set(kind, table)
      const oldest = tables.size > maxTables ? tables.keys().next().value : undefined
      if (oldest !== undefined) tables.delete(oldest)
    },
    changed(node) {
      for (const { refused, open, hopeful, hopeless } of tables.values()) {
        if (refused.delete(node)) open.add(node)
        hopeful.delete(node)
        hopeless.delete(node)
      }
    },
    clear: () => tables.clear(),
  }
}
