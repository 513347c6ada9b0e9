import { unsaidWire, type WireRange } from '../mesh/wire-range.ts'
import type { Command } from './cluster-state.ts'
import type { LogRunner } from './log-runner.ts'

export interface SelfDescriptionParts {
  runner: LogRunner
  self: { node: string }
  /** Versions of the wire format that this program speaks. */
  speaks: WireRange
  command: (command: Command) => Promise<unknown>
}

/** Keeps true what the log says of this node's program: one that was upgraded says so, and others speak to it accordingly. */
export class SelfDescription {
  readonly #parts: SelfDescriptionParts
  #isTelling = false

  constructor(parts: SelfDescriptionParts) {
    this.#parts = parts
  }

  /** Tells what the log does not know yet; called often. */
  keep(): void {
    const { runner, self, speaks, command } = this.#parts
    const member = runner.machine.membership.member(self.node)
    const { oldest, newest } = member?.speaks ?? unsaidWire
    if (this.#isTelling || !member || (oldest === speaks.oldest && newest === speaks.newest)) return
    this.#isTelling = true
    command({ type: 'member-update', node: self.node, speaks })
      .catch(() => {})
      .finally(() => {
        this.#isTelling = false
      })
  }
}
