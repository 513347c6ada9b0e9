import type { Node } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { RequestInfo } from '../apiserver/request-info.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Clock } from '../lib/clock.ts'
import type { Peers } from './peers.ts'

/** As long as a new leader waits before it judges nodes that it has not met: an election is no reason to doubt anybody. */
const graceMs = 10_000

/**
 * The other nodes whose conditions nobody keeps, as far as this one knows: it reaches neither them nor a leader. The
 * conditions that it has of them are old, and to write others is the leader's, who sees a majority.
 */
export interface UnreachedNodes {
  /** What an answer to this request has to say of them. */
  warning(info: RequestInfo): string | undefined
  /** The definitions, where the STATUS column of nodes says NotReady of them. */
  shownIn(definitions: readonly ResourceDefinition[]): ResourceDefinition[]
}

export function unreachedNodes(options: {
  decisions: Pick<DecisionLog, 'status' | 'members' | 'leaseSinceMs'>
  isAlive: Peers['isAlive']
  self: string
  clock: Clock
}): UnreachedNodes {
  const { decisions, isAlive, self, clock } = options
  const isWithoutLeader = (): boolean =>
    decisions.status().leader === null && clock.monotonicMs() - decisions.leaseSinceMs() > graceMs
  const isUnreached = (name: string): boolean => isAlive(name) === false && isWithoutLeader()

  return {
    warning(info) {
      if (!info.isResource || !isNodes(info) || !readingVerbs.has(info.verb)) return undefined
      const names = decisions
        .members()
        .map(({ node }) => node)
        .filter(isUnreached)
        .toSorted()
      return names.length === 0
        ? undefined
        : `${self} knows of no leader and does not reach ${names.join(', ')}: their conditions are as they were last heard of`
    },
    shownIn: (definitions) => definitions.map((one) => (isNodes(one) ? withStatus(one, isUnreached) : one)),
  }
}

const isNodes = ({ group, resource }: { group: string; resource: string }): boolean =>
  group === refs.nodes.group && resource === refs.nodes.resource

const readingVerbs = new Set(['get', 'list', 'watch'])

/**
 * Cells are for people, and change without their object, as its age does. The object itself is left alone: clients that
 * cache take one resourceVersion for one content.
 */
const withStatus = (definition: ResourceDefinition, isUnreached: (name: string) => boolean): ResourceDefinition => ({
  ...definition,
  columns: definition.columns.map((column) =>
    column.name === 'Status'
      ? {
          ...column,
          cell: (object, nowMs) =>
            column.cell(isUnreached(object.metadata.name ?? '') ? notReady(object) : object, nowMs),
        }
      : column,
  ),
})

const notReady = (node: Node): Node => ({
  ...node,
  status: {
    ...node.status,
    conditions: node.status?.conditions?.map((one) => (one.type === 'Ready' ? { ...one, status: 'Unknown' } : one)),
  },
})
