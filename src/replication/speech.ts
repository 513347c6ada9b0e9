import { errors } from '../api/status-error.ts'
import type { PeerId } from '../mesh/mesh.ts'
import { commonWire, unsaidWire, wireRefusal, type Speaker, type WireRange } from '../mesh/wire-range.ts'
import { ByteReader, ByteWriter, MalformedBytes } from '../store/bytes.ts'

/** A member, by its name where that is known, and what it speaks where it says so. */
export interface SpeakingMember {
  readonly peer: PeerId
  readonly node?: string
  readonly speaks?: WireRange
}

/** Chooses the version of the wire format for each message: the newest that whoever is to read it knows. */
export class Speech {
  readonly own: WireRange
  #members = new Map<PeerId, Speaker>()

  constructor(own: WireRange) {
    this.own = own
  }

  /** The other members. */
  setMembers(members: readonly SpeakingMember[]): void {
    this.#members = new Map(members.map((member) => [member.peer, { ...member, node: member.node ?? member.peer }]))
  }

  /** Throws Unavailable, with the remedy, when the peer and this node have no version in common. */
  to(peer: PeerId): number {
    const version = commonWire(this.own, this.#members.get(peer)?.speaks ?? unsaidWire)
    if (version === undefined) throw errors.unavailable(this.refusal(peer) ?? '')
    return version
  }

  /** For broadcasts: all members read it but those with whom there is nothing in common, who could read none. */
  toAll(): number {
    const common = this.#members.values().map(({ speaks = unsaidWire }) => commonWire(this.own, speaks))
    return Math.min(this.own.newest, ...common.filter((version) => version !== undefined))
  }

  /** Why this node cannot speak with a peer; undefined where it can. */
  refusal(peer: PeerId): string | undefined {
    return wireRefusal({ node: 'this node', speaks: this.own }, this.#members.get(peer) ?? { node: peer })
  }
}

/** Every message begins with the version that it is written in. */
export const beginMessage = (version: number, expectedBytes?: number): ByteWriter =>
  new ByteWriter(expectedBytes).uint(version)

/** Reads that version. Throws MalformedBytes on one that this program does not speak. */
export function openMessage(bytes: Uint8Array, own: WireRange): { reader: ByteReader; version: number } {
  const reader = new ByteReader(bytes)
  const version = reader.uint()
  if (version >= own.oldest && version <= own.newest) return { reader, version }
  const known = own.oldest === own.newest ? `${own.oldest}` : `${own.oldest} to ${own.newest}`
  throw new MalformedBytes(`message of wire format ${version}, this version of stormo speaks ${known}`)
}
