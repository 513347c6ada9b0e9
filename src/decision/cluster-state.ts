import type { StatusDetails } from '../api/kinds.ts'
import type { StatusReason } from '../api/status-error.ts'
import type { ObjectEntry } from '../store/decided.ts'
import type { WireRange } from '../mesh/wire-range.ts'

/** A machine of the cluster, as the log has it. */
export interface Member {
  /** Name of its Node object. */
  node: string
  peer: string
  /** Never reused; the low bits of the resourceVersions that the node gives out. 1…65,535. */
  number: number
  /** Raised each time the node (re)joins under the same name. */
  incarnation: number
  /** Multiaddrs at which the mesh dials it. */
  addresses: string[]
  /** https://host:port of its API server. */
  apiUrl: string
  role: 'voter' | 'learner'
  zone: string
  /** Versions of the wire format that it speaks; absent from members of releases that spoke one only. */
  speaks?: WireRange
  /** Its part of the cluster CIDR, e.g. 10.244.3.0/24. Another member may get it once this one is removed. */
  podCidr: string
}

/** A join token, known by its id; the secret itself is never stored. */
export interface JoinToken {
  id: string
  /** sha256, hex. */
  secretHash: string
  /** Unix ms. */
  expiresMs: number
  /** null: any number of times until it expires. */
  usesLeft: number | null
}

/** One entry of the decision log. Applied by a pure function, the same on every node. */
export type Command =
  | {
      type: 'object'
      entry: ObjectEntry
      id: string
      /** create: this other object of the same name is known to be gone, though its decided values still stand. */
      supersedes?: string
    }
  | {
      type: 'member-add'
      member: Omit<Member, 'number' | 'podCidr' | 'incarnation' | 'role'>
      token?: { id: string; secretHash: string; nowMs: number }
    }
  | {
      type: 'member-update'
      node: string
      addresses?: string[]
      apiUrl?: string
      zone?: string
      speaks?: WireRange
    }
  | { type: 'member-remove'; node: string }
  | { type: 'token-create'; token: JoinToken }
  | { type: 'token-delete'; id: string }
  /**
   * Gives a node more cluster IPs and NodePorts to hand out by itself, also when cut off. `ranges`: IPv4 CIDRs of further
   * cluster IPs, for when the first range is used up.
   */
  | { type: 'reserve'; node: string; clusterIps: number; nodePorts: number; ranges?: readonly string[] }
  /**
   * Claims one given ClusterIP or NodePort (a user asked for it); void when taken. `range`: a further range of cluster IPs
   * that the asker knows to be in use, and that the address is out of.
   */
  | { type: 'claim'; node: string; clusterIp?: string; range?: string; nodePort?: number; owner: string }
  /** Said by a node alone: it gives a value of its reserve to a claim, and has not handed it out and will not. */
  | { type: 'cede'; node: string; incarnation: number; clusterIp?: string; nodePort?: number; owner: string }
  | { type: 'release'; clusterIps: string[]; nodePorts: number[] }
  /** Drops decided values of objects that are deleted everywhere. */
  | { type: 'forget'; uids: string[] }
  | { type: 'noop' }

/** What applying a command came to; kept for a while, so that a repeated command gets the same answer. */
export type CommandResult =
  | { ok: true; index: number; value: unknown }
  | { ok: false; index: number; reason: StatusReason; message: string; details?: StatusDetails }

/** Ranges that members get their parts of. Fixed when the cluster is made. */
export interface ClusterRanges {
  /** IPv4 CIDR of all pods; each member gets a /24 of it, so it also bounds the number of members. */
  clusterCidr: string
  /** IPv4 CIDR of all ClusterIPs. The 1st address is `kubernetes`, the 10th the cluster DNS. */
  serviceCidr: string
}

export const defaultClusterRanges: ClusterRanges = { clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16' }

/** NodePorts, first and last. */
export const nodePortRange = { first: 30_000, last: 32_767 } as const

/** Most voters of the log, however many members there are. */
export const maxVoters = 7
