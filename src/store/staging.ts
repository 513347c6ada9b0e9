import { keyString, type ObjectKey } from '../api/object.ts'
import type { Conflict } from './conflict.ts'
import type { DocumentState } from './document.ts'
import type { DiskBatch } from './disk.ts'
import {
  documentPrefix,
  encodeDocumentRecord,
  encodeMetaRecord,
  encodeTombstoneRecord,
  metaPrefix,
  tombstonePrefix,
  type Tombstone,
} from './record.ts'
import type { Change } from './replica.ts'

/** What one commit will change. Nothing of it is seen by anyone before it is durable. */
export class Staging {
  readonly documents = new Map<string, DocumentState>()
  readonly tombstones = new Map<string, Tombstone>()
  /** Documents that go without leaving a tombstone. */
  readonly dropped = new Set<string>()
  readonly forgottenTombstones = new Set<string>()
  readonly facts = new Map<string, unknown>()
  readonly created = new Map<string, string>()
  /** What peers must learn. */
  readonly outgoing: Change[] = []
  readonly conflicts: Conflict[] = []

  putDocument(state: DocumentState): void {
    this.dropped.delete(state.uid)
    this.documents.set(state.uid, state)
  }

  /** The uid that this commit creates under a name, if any. */
  createdUid(key: ObjectKey): string | undefined {
    return this.created.get(keyString(key))
  }

  putTombstone(tombstone: Tombstone): void {
    this.documents.delete(tombstone.uid)
    this.tombstones.set(tombstone.uid, tombstone)
    if (this.createdUid(tombstone.key) === tombstone.uid) this.created.delete(keyString(tombstone.key))
  }

  get isEmpty(): boolean {
    return (
      this.documents.size === 0 &&
      this.tombstones.size === 0 &&
      this.dropped.size === 0 &&
      this.forgottenTombstones.size === 0 &&
      this.facts.size === 0
    )
  }

  toBatch(): DiskBatch {
    const put: [string, Uint8Array][] = []
    const remove: string[] = []
    for (const [uid, state] of this.documents) put.push([documentPrefix + uid, encodeDocumentRecord(state)])
    for (const uid of this.dropped) remove.push(documentPrefix + uid)
    for (const uid of this.forgottenTombstones) remove.push(tombstonePrefix + uid)
    for (const [uid, tombstone] of this.tombstones) {
      remove.push(documentPrefix + uid)
      put.push([tombstonePrefix + uid, encodeTombstoneRecord(tombstone)])
    }
    for (const [name, value] of this.facts) put.push([metaPrefix + name, encodeMetaRecord(value)])
    return { put, remove }
  }
}
