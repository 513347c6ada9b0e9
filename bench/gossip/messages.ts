/** What the bench and its nodes say to each other over the channel of `fork`. */

export interface MeshMember {
  readonly peer: string
  readonly node: string
  readonly addresses: readonly string[]
}

/** A write of another node that became readable here. */
export interface Arrival {
  readonly number: number
  readonly delayMs: number
}

export type ToNode =
  | { type: 'members'; members: readonly MeshMember[] }
  | { type: 'write'; number: number }
  | { type: 'report' }

export type ToParent =
  | { type: 'listening'; member: MeshMember }
  | { type: 'connected'; count: number }
  | { type: 'arrivals'; arrivals: Arrival[] }
