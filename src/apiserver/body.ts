import { gunzip } from 'node:zlib'
import { promisify } from 'node:util'
import { errors, StatusError } from '../api/status-error.ts'
import type { Decoded } from '../schema/schema.ts'
import type { Codecs } from './codecs.ts'
import { header, type Request } from './exchange.ts'
import { mediaTypes } from './negotiation.ts'

/** kube-apiserver's own limit: etcd takes 1.5 MiB, JSON is about twice its protobuf. */
const maxBodyBytes = 3 * 1024 * 1024

/** The whole body. Throws RequestEntityTooLarge past the limit, compressed or not. */
export async function readBody(request: Request): Promise<Buffer> {
  const body = await received(request)
  if (header(request, 'content-encoding') !== 'gzip') return body
  try {
    return await promisify(gunzip)(body, { maxOutputLength: maxBodyBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge()
    throw errors.badRequest('the body is not gzip')
  }
}

/** By events: an asynchronous iterator costs as much as the rest of a small request. */
function received(request: Request): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (request.destroyed) throw errors.badRequest('the body ended before its time')
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      // What is too much is read to its end and thrown away: the connection serves the next request.
      if (length > maxBodyBytes) reject(tooLarge())
      else chunks.push(chunk)
    })
    let isWhole = false
    request.once('end', () => {
      isWhole = true
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    })
    request.once('error', reject)
    // Every request closes: an error for each that ended well would cost its stack.
    request.once('close', () => isWhole || reject(errors.badRequest('the body ended before its time')))
  })
}

/** Parses a body by its media type; JSON without one. Throws BadRequest or UnsupportedMediaType. */
export function parseBody(codecs: Codecs, body: Buffer, contentType: string | undefined): Decoded {
  const type = mediaTypeOf(contentType)
  switch (type) {
    case '':
    case 'application/json':
      return codecs.parseJson(body.toString())
    case 'application/yaml':
    case 'application/x-yaml':
    case 'text/yaml':
      return codecs.parseYaml(body.toString())
    case mediaTypes.protobuf:
      return codecs.parseProtobuf(body)
    default:
      throw new StatusError(
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: ${Object.values(mediaTypes).join(', ')}`,
      )
  }
}

/** `application/json; charset=utf-8` → `application/json`. */
export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

const tooLarge = () => new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`)
