import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib'
import { spdyDictionary } from './spdy-dictionary.ts'

/** Names are lower case; of repeated headers the values are joined by NUL, as on the wire. */
export type SpdyHeaders = Readonly<Record<string, string>>

const maxBlockBytes = 64 * 1024

/** Header blocks of one connection: compression has one state a direction, so blocks must go through in order. */
export interface HeaderCodec {
  decode(block: Uint8Array): Promise<SpdyHeaders>
  encode(headers: SpdyHeaders): Promise<Buffer>
  close(): void
}

export function createHeaderCodec(): HeaderCodec {
  const inflate = createInflate({ dictionary: spdyDictionary })
  const deflate = createDeflate({ dictionary: spdyDictionary })
  return {
    decode: async (block) => parseBlock(await through(inflate, block)),
    encode: (headers) => through(deflate, formatBlock(headers)),
    close() {
      inflate.close()
      deflate.close()
    },
  }
}

function through(stream: Inflate | Deflate, input: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const onData = (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBlockBytes) onError(new Error('SPDY header block is too large'))
      else chunks.push(chunk)
    }
    const onError = (error: Error) => {
      settle()
      reject(error)
    }
    const settle = () => {
      stream.off('data', onData)
      stream.off('error', onError)
    }
    stream.on('data', onData)
    stream.once('error', onError)
    stream.write(input)
    stream.flush(constants.Z_SYNC_FLUSH, () => {
      settle()
      resolve(Buffer.concat(chunks))
    })
  })
}

function parseBlock(block: Buffer): SpdyHeaders {
  const headers: Record<string, string> = {}
  let at = 0
  const text = (): string => {
    const length = block.readUInt32BE(at)
    const value = block.toString('utf8', at + 4, at + 4 + length)
    at += 4 + length
    return value
  }
  let count = block.readUInt32BE(at)
  at += 4
  for (; count > 0; count--) {
    const name = text().toLowerCase()
    headers[name] = text()
  }
  return headers
}

function formatBlock(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers)
  const parts: Buffer[] = [uint32(entries.length)]
  for (const entry of entries) {
    for (const text of entry) {
      const bytes = Buffer.from(text)
      parts.push(uint32(bytes.length), bytes)
    }
  }
  return Buffer.concat(parts)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
