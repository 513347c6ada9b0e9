const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** What the {@link Mesh} interface promises about sizes, and what bounds a node's memory a peer. Bytes unless said. */
export const meshLimits = {
  broadcast: 256 * kibibyte,
  message: 4 * mebibyte,
  body: 16 * mebibyte,
  /** Frames waiting for one peer and protocol; one-way messages beyond it are dropped, requests refused. */
  queuedBytes: 32 * mebibyte,
  queuedFrames: 4096,
  /** Requests of one peer and protocol that are served at once; more wait in the sender's queue. */
  servedRequests: 256,
  /** Length of a protocol's name. */
  protocolName: 256,
  /** Streams of each kind that a connection may carry. */
  streams: 4096,
} as const
