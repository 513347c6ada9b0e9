import { isStatus, StatusError } from '../api/status-error.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Command, Member } from './cluster-state.ts'
import { packParts, unpackParts } from './entry-codec.ts'
import { parseIpv4 } from './ipv4.ts'
import type { LocalReserve } from './local-reserve.ts'
import type { LogRunner } from './log-runner.ts'
import { cedeProtocol } from './raft-wire.ts'
import { reserveOf } from './reserve-table.ts'

/** A node that lives answers well within it: it asks the leader once. */
const cedeTimeoutMs = 3_000

interface CedeRequest {
  value: string | number
  owner: string
}

export interface ClaimsParts {
  mesh: Mesh
  runner: LogRunner
  reserve: LocalReserve
  self: { node: string }
  command: (command: Command) => Promise<unknown>
}

/**
 * Gets given ClusterIPs and NodePorts for those who ask for them. A value in the reserve of another node may be handed out
 * by it at any moment, also when it is cut off, so the log alone cannot take it away: that node is asked to let go of it,
 * and says so in the log before it answers.
 */
export class Claims {
  readonly #parts: ClaimsParts

  constructor(parts: ClaimsParts) {
    this.#parts = parts
    parts.mesh.onRequest(cedeProtocol, async (_from, body) => {
      const { value, owner } = unpackParts<CedeRequest>(body).header
      await parts.reserve.cede(value, owner)
      return packParts({}, [])
    })
  }

  async claim(value: string | number, { owner, range }: { owner: string; range?: string }): Promise<void> {
    const { reserve, self, command } = this.#parts
    if (reserve.takeGiven(value)) return
    const what = typeof value === 'number' ? { nodePort: value } : { clusterIp: value }
    try {
      await command({ type: 'claim', node: self.node, ...what, ...(range === undefined ? {} : { range }), owner })
      // It came into this node's own reserve meanwhile: then the log leaves it to this node.
      reserve.takeGiven(value)
    } catch (error) {
      const holder = isStatus(error, 'Conflict') ? this.#reserveHolder(value) : undefined
      if (holder === undefined || holder.node === self.node) throw error
      await this.#askFor(value, owner, holder)
    }
  }

  /** The member in whose reserve the value is. What was refused is applied here, so that what is looked at is no older. */
  #reserveHolder(value: string | number): Member | undefined {
    const { clusterIps, nodePorts, membership } = this.#parts.runner.machine
    const holder = typeof value === 'number' ? nodePorts.holder(value) : clusterIps.holder(parseIpv4(value))
    return membership.members().find((member) => reserveOf(member.node, member.incarnation) === holder)
  }

  async #askFor(value: string | number, owner: string, { node, peer }: Member): Promise<void> {
    const body = packParts({ value, owner } satisfies CedeRequest, [])
    try {
      await this.#parts.mesh.request(peer, cedeProtocol, body, { timeoutMs: cedeTimeoutMs })
    } catch (error) {
      if (isStatus(error, 'Conflict')) throw error
      const why = (error as Error).message
      throw new StatusError(
        'Conflict',
        `provided ${value} is in the reserve of node ${node}, which does not let go: ${why}`,
      )
    }
  }
}
