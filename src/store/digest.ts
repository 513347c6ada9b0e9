/** 64 bits as two unsigned 32-bit halves: JavaScript computes on those without allocating. */
export interface Digest {
  readonly hi: number
  readonly lo: number
}

export const zeroDigest: Digest = { hi: 0, lo: 0 }

/**
 * A 64-bit hash of text (two multiplicative lanes, mixed at the end). Not cryptographic: it finds differences
 * between honest replicas, and authenticity is the mesh's.
 */
export function hashText(text: string): Digest {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2654435761)
    b = Math.imul(b ^ code, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return { hi: b >>> 0, lo: a >>> 0 }
}

export const xorDigest = (a: Digest, b: Digest): Digest => ({ hi: (a.hi ^ b.hi) >>> 0, lo: (a.lo ^ b.lo) >>> 0 })

export const sameDigest = (a: Digest, b: Digest): boolean => a.hi === b.hi && a.lo === b.lo

/** 16 hexadecimal digits. */
export const digestText = (digest: Digest): string =>
  digest.hi.toString(16).padStart(8, '0') + digest.lo.toString(16).padStart(8, '0')

export const bucketCount = 4096

export interface DigestEntry {
  readonly uid: string
  readonly digest: Digest
}

/**
 * The digest tree of a replica: an XOR a bucket over its documents, and the buckets' root. Two replicas have equal
 * roots exactly (but for 2^-64) when they hold the same documents in the same state.
 */
export class DigestTable {
  readonly #hi = new Uint32Array(bucketCount)
  readonly #lo = new Uint32Array(bucketCount)
  readonly #members = new Map<number, Map<string, Digest>>()
  #root = zeroDigest

  /** `digest` undefined takes the document out. */
  set(uid: string, digest: Digest | undefined): void {
    const bucket = bucketOf(uid)
    let members = this.#members.get(bucket)
    if (!members) this.#members.set(bucket, (members = new Map()))
    const old = members.get(uid)
    if (old) this.#fold(bucket, old)
    if (digest) {
      this.#fold(bucket, digest)
      members.set(uid, digest)
    } else {
      members.delete(uid)
    }
  }

  #fold(bucket: number, digest: Digest): void {
    this.#hi[bucket] = (this.#hi[bucket] ?? 0) ^ digest.hi
    this.#lo[bucket] = (this.#lo[bucket] ?? 0) ^ digest.lo
    this.#root = xorDigest(this.#root, digest)
  }

  root(): Digest {
    return this.#root
  }

  /** Each bucket's digest, 8 bytes, in order: 32 KiB. */
  buckets(): Uint8Array {
    const bytes = new Uint8Array(bucketCount * 8)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < bucketCount; i += 1) {
      view.setUint32(i * 8, this.#hi[i] ?? 0)
      view.setUint32(i * 8 + 4, this.#lo[i] ?? 0)
    }
    return bytes
  }

  /** Numbers of the buckets in which `other` (as of {@link buckets}) differs. */
  differing(other: Uint8Array): number[] {
    const view = new DataView(other.buffer, other.byteOffset, other.byteLength)
    const numbers: number[] = []
    for (let i = 0; i < bucketCount; i += 1) {
      if (view.getUint32(i * 8) !== (this.#hi[i] ?? 0) || view.getUint32(i * 8 + 4) !== (this.#lo[i] ?? 0))
        numbers.push(i)
    }
    return numbers
  }

  entries(bucket: number): DigestEntry[] {
    return [...(this.#members.get(bucket) ?? [])].map(([uid, digest]) => ({ uid, digest }))
  }
}

export const bucketOf = (uid: string): number => hashText(uid).lo % bucketCount
