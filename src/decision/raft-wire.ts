import { decodeEntry, encodeEntry, packParts, unpackParts } from './entry-codec.ts'
import type { Message } from '../raft/core/types.ts'

export const raftProtocol = '/stormo/raft/1'
export const proposeProtocol = '/stormo/propose/1'
export const logProtocol = '/stormo/log/1'
export const cedeProtocol = '/stormo/cede/1'

interface Header {
  generation: number
  message: Omit<Message, 'entries'>
}

/** One Raft message for the wire; entries travel in binary behind it. */
export function encodeMessage(generation: number, message: Message): Uint8Array {
  if (message.type !== 'append') return packParts({ generation, message } satisfies Header, [])
  const { entries, ...rest } = message
  return packParts({ generation, message: rest } satisfies Header, entries.map(encodeEntry))
}

/** Reverse of {@link encodeMessage}; throws on bytes that are none. */
export function decodeMessage(bytes: Uint8Array): { generation: number; message: Message } {
  const { header, parts } = unpackParts<Header>(bytes)
  const message = header.message as Message
  if (message.type !== 'append') return { generation: header.generation, message }
  return { generation: header.generation, message: { ...message, entries: parts.map(decodeEntry) } }
}
