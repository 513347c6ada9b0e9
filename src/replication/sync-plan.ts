import { sameDigest, type Digest, type DigestEntry } from '../store/digest.ts'
import { hashKey, uidHash, type BucketEntries } from './sync-messages.ts'

/** What two replicas must tell each other about the buckets in which they differ. */
export interface SyncPlan {
  /** Documents that the peer has and this node does not, or in another state. */
  pull: { hash: Digest; uid: string | undefined; peerDigest: Digest }[]
  /** Uids that only this node has. */
  push: string[]
}

/** Compares the peer's entries with this node's of the same buckets. Pure. */
export function planSync(
  peer: readonly BucketEntries[],
  entriesOf: (bucket: number) => readonly DigestEntry[],
): SyncPlan {
  const plan: SyncPlan = { pull: [], push: [] }
  for (const { bucket, entries } of peer) {
    const own = new Map(entriesOf(bucket).map((entry) => [hashKey(uidHash(entry.uid)), entry]))
    for (const { hash, digest } of entries) {
      const id = hashKey(hash)
      const mine = own.get(id)
      own.delete(id)
      if (!mine || !sameDigest(mine.digest, digest)) plan.pull.push({ hash, uid: mine?.uid, peerDigest: digest })
    }
    for (const { uid } of own.values()) plan.push.push(uid)
  }
  return plan
}
