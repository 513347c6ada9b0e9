import type { Status } from '../api/kinds.ts'
import { errors, StatusError, statusCodes, type StatusReason } from '../api/status-error.ts'
import { encodeFrame } from './framing.ts'

/**
 * What travels on a kept stream of one protocol between two peers. Layout after the length: kind (1), id (4), then
 * for a request its deadline in ms (4), then the body.
 */
export type LinkFrame =
  | { kind: 'message'; body: Uint8Array }
  | { kind: 'request'; id: number; timeoutMs: number; body: Uint8Array }
  | { kind: 'response'; id: number; body: Uint8Array }
  | { kind: 'failure'; id: number; error: StatusError }
  | { kind: 'cancel'; id: number }

const codes = { message: 0, request: 1, response: 2, failure: 3, cancel: 4 } as const
const empty = new Uint8Array(0)

/** Bytes that a frame adds to its body, length prefix aside. */
export const linkFrameOverhead = 9

export function encodeLinkFrame(frame: LinkFrame): Uint8Array {
  const head = new Uint8Array(frame.kind === 'request' ? 9 : 5)
  const view = new DataView(head.buffer)
  view.setUint8(0, codes[frame.kind])
  if (frame.kind !== 'message') view.setUint32(1, frame.id)
  if (frame.kind === 'request') view.setUint32(5, Math.min(frame.timeoutMs, 0xffff_ffff))
  const body = frame.kind === 'failure' ? encodeStatus(frame.error) : frame.kind === 'cancel' ? empty : frame.body
  return encodeFrame(head, body)
}

/** Reverse of {@link encodeLinkFrame}, of one frame's body. Throws on a kind it does not know. */
export function decodeLinkFrame(bytes: Uint8Array): LinkFrame {
  if (bytes.length < 5) throw new Error('link frame is too short')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const id = view.getUint32(1)
  switch (view.getUint8(0)) {
    case codes.message:
      return { kind: 'message', body: bytes.subarray(5) }
    case codes.request:
      if (bytes.length < 9) throw new Error('link frame is too short')
      return { kind: 'request', id, timeoutMs: view.getUint32(5), body: bytes.subarray(9) }
    case codes.response:
      return { kind: 'response', id, body: bytes.subarray(5) }
    case codes.failure:
      return { kind: 'failure', id, error: decodeStatus(bytes.subarray(5)) }
    case codes.cancel:
      return { kind: 'cancel', id }
    default:
      throw new Error(`unknown link frame kind ${view.getUint8(0)}`)
  }
}

/** A StatusError as the JSON of its `metav1.Status`. */
export function encodeStatus(error: StatusError): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(error.toStatus()))
}

/** Reverse of {@link encodeStatus}; a reason that this version does not know becomes InternalError. */
export function decodeStatus(bytes: Uint8Array): StatusError {
  const status = JSON.parse(new TextDecoder().decode(bytes)) as Status
  const known = status.reason !== undefined && Object.hasOwn(statusCodes, status.reason)
  const reason = known ? (status.reason as StatusReason) : 'InternalError'
  return new StatusError(reason, status.message ?? 'unknown error', status.details)
}

/** What a peer may be told of any error of ours: a StatusError as it is, anything else as an internal error. */
export function toStatusError(error: unknown): StatusError {
  return error instanceof StatusError ? error : errors.internal(error instanceof Error ? error.message : String(error))
}
