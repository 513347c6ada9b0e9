/**
 * The one abstraction of everything interactive: exec, attach, logs and port-forward are a handful of numbered byte
 * channels in each direction. WebSocket v4/v5, SPDY/3.1 and our node-to-node streams are adapters of it.
 *
 * Numbers as in Kubernetes' remotecommand: 0 stdin, 1 stdout, 2 stderr, 3 error (one JSON `metav1.Status` ends an
 * exec or attach), 4 resize (JSON `{"Width":80,"Height":24}`). Port-forward: one Channels a connection, 0 data both
 * ways, 1 error text. Logs: 1 carries the bytes.
 */
export interface Channels {
  /** Resolves when there is room for more; rejects when the peer is gone. */
  write(channel: number, data: Uint8Array): Promise<void>
  /** Half-close: no more data of ours on that channel. Idempotent. */
  end(channel: number): Promise<void>
  /** What the peer sends, in order; ends when the peer closed everything. Single consumer; pulling is back-pressure. */
  readonly frames: AsyncIterable<Frame>
  /** Tears everything down, with an error or without. Idempotent. */
  close(error?: Error): void
  /** Aborted when the channels are closed by either side. */
  readonly closed: AbortSignal
}

/** `data` absent: the peer half-closed that channel. */
export interface Frame {
  readonly channel: number
  readonly data?: Uint8Array
}

export const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const
