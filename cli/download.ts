import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { UsageError } from './command.ts'

const downloadTimeoutMs = 30_000

/** The text behind a URL, after redirects. Throws UsageError when there is none, or it is larger than `maxBytes`. */
export function download(url: string, maxBytes: number, redirects = 5): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? httpsGet : httpGet)(url, { timeout: downloadTimeoutMs }, (answer) => {
      const code = answer.statusCode ?? 0
      if (code >= 300 && code < 400 && answer.headers.location && redirects > 0) {
        answer.resume()
        return resolve(download(new URL(answer.headers.location, url).href, maxBytes, redirects - 1))
      }
      if (code !== 200) {
        answer.resume()
        return reject(
          new UsageError(`unable to read URL "${url}", server reported ${code} ${answer.statusMessage ?? ''}`),
        )
      }
      const chunks: Buffer[] = []
      let length = 0
      answer.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > maxBytes) request.destroy(new UsageError(`${url} is larger than ${maxBytes} bytes`))
        chunks.push(chunk)
      })
      answer.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    })
    request.on('timeout', () =>
      request.destroy(new UsageError(`no answer from ${url} in ${downloadTimeoutMs / 1000} s`)),
    )
    request.on('error', (error) =>
      reject(error instanceof UsageError ? error : new UsageError(`unable to read URL "${url}": ${error.message}`)),
    )
  })
}
