import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Disk } from './disk.ts'
import type { DocumentState } from './document.ts'
import {
  decodeDocumentRecord,
  decodeFormatRecord,
  decodeMetaRecord,
  decodeTombstoneRecord,
  diskFormat,
  documentPrefix,
  encodeMetaRecord,
  metaPrefix,
  oldestDiskFormat,
  tombstonePrefix,
  type Tombstone,
} from './record.ts'
import type { StampClock } from './stamp.ts'
import { versionBlock } from './versions.ts'

export interface LoadedReplica {
  documents: DocumentState[]
  tombstones: Tombstone[]
  facts: Map<string, unknown>
  /** Number of this life of the node's process, higher than every one before. */
  boot: number
  /** Versions up to here may have been given out before. */
  firstVersion: number
  /** Versions below this may be given out now. */
  reservedVersions: number
}

const formatName = 'format'

/** Boots are also counted in minutes since this day, so that a lost counter does not lead back to a used number. */
const bootEpochMs = Date.UTC(2026, 0, 1)

/**
 * Reads the whole disk. What is damaged is removed, and comes back from peers like anything else that a replica
 * lacks. What this life of the process will be known by is durable before this resolves.
 */
export async function loadReplica(
  options: { disk: Disk; clock: Clock; logger: Logger },
  stamps: StampClock,
): Promise<LoadedReplica> {
  const { disk, logger } = options
  const damaged: string[] = []
  const read = <T>(prefix: string, decode: (record: Uint8Array) => T): [string, T][] => {
    const records: [string, T][] = []
    for (const [key, record] of disk.load(prefix)) {
      try {
        records.push([key.slice(prefix.length), decode(record)])
      } catch (error) {
        damaged.push(key)
        logger.error({ err: error, key }, 'store: dropped a damaged record; it will be fetched from a peer')
      }
    }
    return records
  }
  // Before anything else is looked at: what a later version wrote is not damaged.
  const format = read(metaPrefix + formatName, decodeFormatRecord)[0]?.[1] ?? diskFormat
  if (typeof format !== 'number' || format < oldestDiskFormat || format > diskFormat) {
    throw new Error(
      `the store on disk is of format ${JSON.stringify(format)}; this version of stormo reads formats ` +
        `${oldestDiskFormat} to ${diskFormat}. ` +
        'Run the version that wrote it, or remove the data directory and let the node join again.',
    )
  }
  const facts = new Map(read(metaPrefix, decodeMetaRecord))
  const tombstones = read(tombstonePrefix, decodeTombstoneRecord).map(([, tombstone]) => tombstone)
  const dead = new Set(tombstones.map(({ uid }) => uid))
  const documents = read(documentPrefix, decodeDocumentRecord)
    .map(([, document]) => document)
    .filter(({ uid }) => !dead.has(uid))
  for (const { newest } of documents) if (newest !== '') stamps.merge(newest)
  tombstones.sort((a, b) => (a.stamp < b.stamp ? -1 : 1))
  for (const { stamp } of tombstones) stamps.merge(stamp)

  const minutes = Math.floor((options.clock.nowMs() - bootEpochMs) / 60_000)
  const boot = Math.max(numberOf(facts.get('boot')) + 1, minutes, 1)
  const firstVersion = numberOf(facts.get('versions'))
  const reservedVersions = firstVersion + versionBlock + documents.length * 2
  const now = { [formatName]: diskFormat, boot, versions: reservedVersions }
  for (const [name, value] of Object.entries(now)) facts.set(name, value)
  await disk.commit({
    put: Object.entries(now).map(([name, value]) => [metaPrefix + name, encodeMetaRecord(value)]),
    remove: damaged,
  })
  return { documents, tombstones, facts, boot, firstVersion, reservedVersions }
}

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0)
