import type { ObjectEntry } from '../store/decided.ts'

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
  /** First and last+1 IPv4 address (as numbers) of its reserve of cluster IPs, and its NodePort range. */
  podCidr: string
}

/** A join token, known by its id; the secret itself is never stored. */
export interface JoinToken {
  id: string
  /** sha256, hex. */
  secretHash: string
  /** Unix ms. */
  expiresMs: number
  /** 0: any number of times until it expires. */
  usesLeft: number | null
}

/** One entry of the decision log. Applied by a pure function, the same on every node. */
export type Command =
  | { type: 'object'; entry: ObjectEntry; id: string }
  | {
      type: 'member-add'
      member: Omit<Member, 'number' | 'podCidr' | 'incarnation' | 'role'>
      token?: { id: string; secretHash: string; nowMs: number }
    }
  | { type: 'member-update'; node: string; addresses?: string[]; apiUrl?: string; zone?: string }
  | { type: 'member-remove'; node: string }
  | { type: 'token-create'; token: JoinToken }
  | { type: 'token-delete'; id: string }
  /** Gives a node more cluster IPs and NodePorts to hand out by itself, also when cut off. */
  | { type: 'reserve'; node: string; clusterIps: number; nodePorts: number }
  /** Claims one given ClusterIP or NodePort (a user asked for it); void when taken. */
  | { type: 'claim'; node: string; clusterIp?: string; nodePort?: number; owner: string }
  | { type: 'release'; clusterIps: string[]; nodePorts: number[] }
  /** Drops decided values of objects that are deleted everywhere. */
  | { type: 'forget'; uids: string[] }
  | { type: 'noop' }
