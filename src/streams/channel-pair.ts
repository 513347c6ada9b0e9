import { createChannelCore, type ChannelCore } from './channel-core.ts'
import type { Channels } from './channels.ts'

/** Two Channels joined in memory: what one writes the other reads. For a node that serves itself, and for tests. */
export function channelPair(): [Channels, Channels] {
  const gates: Gate[] = [gate(), gate()]
  const cores: ChannelCore[] = []
  const [left, right] = [0, 1].map((side) => {
    const other = 1 - side
    const core = createChannelCore({
      async send(channel, data) {
        cores[other]?.receive({ channel, data })
        await gates[other]?.open()
      },
      async sendEnd(channel) {
        cores[other]?.receive({ channel })
      },
      shut(error) {
        gates[other]?.resume()
        gates[side]?.resume()
        cores[other]?.receiveClose(error)
      },
      pause: () => gates[side]?.pause(),
      resume: () => gates[side]?.resume(),
    })
    cores[side] = core
    return core.channels
  })
  return [left as Channels, right as Channels]
}

interface Gate {
  pause(): void
  resume(): void
  /** Resolves at once unless paused. */
  open(): Promise<void>
}

function gate(): Gate {
  let waiting: PromiseWithResolvers<void> | undefined
  return {
    pause: () => void (waiting ??= Promise.withResolvers<void>()),
    resume() {
      waiting?.resolve()
      waiting = undefined
    },
    open: () => waiting?.promise ?? Promise.resolve(),
  }
}
