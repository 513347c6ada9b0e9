/** Thrown by {@link ByteReader} on input that ends early or breaks a bound: it came from a peer or a broken disk. */
export class MalformedBytes extends Error {
  override name = 'MalformedBytes'
}

/** Characters; below 128, so that one byte tells the length. */
const shortText = 64

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** Builds a message out of varints, byte strings and UTF-8 text, the last two preceded by their length. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #length = 0

  /** `expectedBytes` spares growing. */
  constructor(expectedBytes = 256) {
    this.#bytes = new Uint8Array(expectedBytes)
  }

  get length(): number {
    return this.#length
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }

  /** A whole number from 0 to 2^53−1: seven bits a byte, lowest first. */
  uint(value: number): this {
    this.#room(8)
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  uint32(value: number): this {
    this.#room(4)
    new DataView(this.#bytes.buffer).setUint32(this.#length, value)
    this.#length += 4
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  bytes(bytes: Uint8Array): this {
    return this.uint(bytes.length).raw(bytes)
  }

  text(text: string): this {
    return this.#ascii(text) ? this : this.bytes(encoder.encode(text))
  }

  /** Names and stamps are short and plain: an encoder takes longer to call than they take. */
  #ascii(text: string): boolean {
    const { length } = text
    if (length > shortText) return false
    this.#room(length + 1)
    const at = this.#length + 1
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return false
      this.#bytes[at + i] = code
    }
    this.#bytes[at - 1] = length
    this.#length = at + length
    return true
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

/** Reads what {@link ByteWriter} wrote. Every method throws {@link MalformedBytes} rather than read past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  uint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count += 1) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new MalformedBytes('a number ends early')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break
        return value
      }
      scale *= 0x80
    }
    throw new MalformedBytes('a number is too large')
  }

  uint32(): number {
    const bytes = this.raw(4)
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  }

  /** A view, not a copy. */
  raw(length: number): Uint8Array {
    if (length > this.left) throw new MalformedBytes(`${length} bytes announced, ${this.left} left`)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  bytes(): Uint8Array {
    return this.raw(this.uint())
  }

  text(): string {
    const bytes = this.bytes()
    try {
      return decoder.decode(bytes)
    } catch {
      throw new MalformedBytes('text is not UTF-8')
    }
  }
}
