import type { Clock, Random } from '../lib/clock.ts'
import { errors, isStatus, StatusError } from '../api/status-error.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { DecidedSink, ObjectProposal } from '../store/decided.ts'
import type { Command, CommandResult } from './cluster-state.ts'
import type { DecisionLogConfig } from './decision-log-config.ts'
import { packParts, unpackParts } from './entry-codec.ts'
import type { LogRunner } from './log-runner.ts'
import { proposeProtocol } from './raft-wire.ts'

/** Between two looks for a leader, and two attempts. */
const retryMs = 50

/** A command as it is, or a write to an object that the leader has to judge first. */
export type Asked = { id: string } & (
  | { kind: 'command'; command: Command }
  | { kind: 'object'; proposal: ObjectProposal }
)

export interface CommandRouterParts {
  mesh: Mesh
  clock: Clock
  random: Random
  sink: DecidedSink
  runner: LogRunner
  config: DecisionLogConfig
  self: { peer: string }
  /** Peer of the leader as far as known, which may be this node. */
  leader: () => string | null
  /** Whether the leader may propose the removal of the node now; if not, it prepares it. */
  dismiss: (node: string) => boolean
  /** The entry was decided; have it fetched from there if this node is not sent to. */
  decidedAt: (peer: string, index: number) => void
}

/**
 * Brings commands to the leader, wherever it is, and again when it is not known whether they arrived: the id makes a
 * repetition harmless. Tells "surely not written" (503) from "unknown" (504).
 */
export class CommandRouter {
  readonly #parts: CommandRouterParts
  readonly #idPrefix: string
  #sequence = 0
  #waiting = 0

  constructor(parts: CommandRouterParts) {
    this.#parts = parts
    // New at each start, so that a node that starts again does not use an id twice.
    this.#idPrefix = Array.from(parts.random.bytes(12), (byte) => byte.toString(16).padStart(2, '0')).join('')
    parts.mesh.onRequest(proposeProtocol, async (_from, body) => {
      const result = await this.#lead(decodeAsked(body))
      return packParts(result, [])
    })
  }

  newId(): string {
    return `${this.#idPrefix}-${this.#sequence++}`
  }

  /** Resolves once applied on this node. Throws what the interface of the decision log says. */
  async ask(
    asked: Asked,
    options: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<CommandResult & { ok: true }> {
    const { config, runner, clock } = this.#parts
    if (this.#waiting >= config.maxPendingCommands) throw errors.unavailable('too many writes wait at this node')
    const deadline = new AbortController()
    const giveUp = () => deadline.abort()
    const timer = clock.after(options.timeoutMs ?? config.commandTimeoutMs, giveUp)
    if (options.signal?.aborted) giveUp()
    options.signal?.addEventListener('abort', giveUp, { once: true })
    const { signal } = deadline
    this.#waiting += 1
    try {
      const result = await this.#attempts(asked, signal)
      if (!result.ok) throw new StatusError(result.reason, result.message, result.details)
      await runner.untilApplied(result.index, signal)
      if (runner.appliedIndex < result.index) {
        throw errors.unknownOutcome(`the write was decided at ${result.index}, this node has not caught up with it`)
      }
      return result
    } finally {
      timer.cancel()
      options.signal?.removeEventListener('abort', giveUp)
      this.#waiting -= 1
    }
  }

  async #attempts(asked: Asked, signal: AbortSignal): Promise<CommandResult> {
    const { clock, config, leader, mesh, runner, self } = this.#parts
    const startedMs = clock.monotonicMs()
    let maybeProposed = false
    let refusal = errors.unavailable('no leader of the decision log is known: is a majority of the voters up?')
    while (!signal.aborted) {
      const peer = leader()
      const reachable = peer !== null && (peer === self.peer || mesh.connected().includes(peer))
      // Clients repeat what was refused with 503 up to ten times: where the leader has long been away, each is told at once.
      const heardMs = runner.lastLeaderContactMs
      const waitedMs = clock.monotonicMs() - (Number.isFinite(heardMs) ? heardMs : startedMs)
      if (!reachable && !maybeProposed && waitedMs >= config.leaderWaitMs) throw refusal
      if (reachable) {
        try {
          return await this.#attempt(peer, asked, signal)
        } catch (error) {
          // 503 says that this attempt surely came to nothing; of earlier ones it says nothing.
          if (isStatus(error, 'ServiceUnavailable')) refusal = error
          else if (isStatus(error) && !isStatus(error, 'Timeout')) throw error
          else maybeProposed = true
        }
      }
      await this.#pause(signal)
    }
    if (maybeProposed)
      throw errors.unknownOutcome('the leader did not answer in time: the outcome of the write is unknown')
    throw refusal
  }

  async #attempt(peer: string, asked: Asked, signal: AbortSignal): Promise<CommandResult> {
    const { self, mesh, config, decidedAt } = this.#parts
    if (peer === self.peer) return abortable(this.#lead(asked), signal)
    const timeoutMs = config.attemptTimeoutMs
    const bytes = await mesh.request(peer, proposeProtocol, encodeAsked(asked), { signal, timeoutMs })
    const result = unpackParts<CommandResult>(bytes).header
    decidedAt(peer, result.index)
    return result
  }

  /** On the leader. Results other than a CommandResult are thrown: 503 means surely not in the log. */
  async #lead(asked: Asked): Promise<CommandResult> {
    const { runner, sink, dismiss } = this.#parts
    if (!runner.leads) throw errors.unavailable('this node does not lead the decision log')
    // First: a repetition must not be judged again by what its first attempt has changed.
    const known = runner.machine.results.get(asked.id) ?? runner.pending.find(asked.id)
    if (known) return known
    if (asked.kind === 'command' && asked.command.type === 'member-remove' && !dismiss(asked.command.node)) {
      throw errors.unavailable(`${asked.command.node} is still a voter, and leaves the voters first`)
    }
    if (asked.kind === 'command') return runner.propose({ id: asked.id, command: asked.command })
    const entry = sink.judge(asked.proposal)
    const { objects } = runner.machine
    const other = entry.op === 'create' ? objects.createdUnder(entry.key) : undefined
    const supersedes = other !== undefined && other !== entry.uid && sink.isGone(other) ? other : undefined
    const command: Command = { type: 'object', entry, id: asked.id, ...(supersedes ? { supersedes } : {}) }
    return runner.propose({ id: asked.id, command })
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.#parts.clock.after(retryMs, done)
      signal.addEventListener('abort', done)
    })
  }
}

function abortable<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(errors.unknownOutcome('the write was not decided in time: its outcome is unknown'))
    if (signal.aborted) aborted()
    signal.addEventListener('abort', aborted, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}

function encodeAsked(asked: Asked): Uint8Array {
  if (asked.kind === 'command' || !asked.proposal.document) return packParts(asked, [])
  const { document, ...proposal } = asked.proposal
  return packParts({ ...asked, proposal }, [document])
}

function decodeAsked(body: Uint8Array): Asked {
  const { header, parts } = unpackParts<Asked>(body)
  const [document] = parts
  return header.kind === 'object' && document
    ? { ...header, proposal: { ...header.proposal, document: new Uint8Array(document) } }
    : header
}
