/** What annotations of an Ingress can say. Times in seconds, as in the annotations. */
export interface IngressSettings {
  /** Answer plain HTTP to hosts that have TLS with a redirect to HTTPS. */
  readonly sslRedirect: boolean
  /** The same also for hosts without TLS here, because somebody before us ends it. */
  readonly forceSslRedirect: boolean
  /** The largest body, in bytes; 0 is no limit. */
  readonly maxBodyBytes: number
  /** The limit was asked for, and is not the default. */
  readonly namesBodyLimit: boolean
  readonly connectTimeoutSeconds: number
  readonly readTimeoutSeconds: number
  readonly sendTimeoutSeconds: number
  readonly protocol: BackendProtocol
  readonly retries: number
}

/** How the backend is spoken to: `h2c` is HTTP/2 without TLS (gRPC), `h2` with it. */
export type BackendProtocol = 'http' | 'https' | 'h2c' | 'h2'

export const annotationPrefix = 'ingress.stormo.dev/'
/** Manifests in the wild carry the names of ingress-nginx; where ours mean the same they are read too. */
const prefixes = [annotationPrefix, 'nginx.ingress.kubernetes.io/']

/** Body limit and times are those of ingress-nginx, which most manifests are written against. */
export const defaultSettings: IngressSettings = {
  sslRedirect: true,
  forceSslRedirect: false,
  maxBodyBytes: 1024 * 1024,
  namesBodyLimit: false,
  connectTimeoutSeconds: 5,
  readTimeoutSeconds: 60,
  sendTimeoutSeconds: 60,
  protocol: 'http',
  retries: 3,
}

const maxTimeoutSeconds = 24 * 3600
const maxRetries = 10

/**
 * Reads an Ingress's annotations. A value that cannot be read leaves the default in force and is named in `problems`:
 * one wrong word must not take a site from the net.
 */
export function readIngressSettings(annotations: Readonly<Record<string, string>> = {}): {
  settings: IngressSettings
  problems: string[]
} {
  const problems: string[] = []
  const read = <T>(name: string, parse: (text: string) => T | undefined, wanted: string): T | undefined => {
    const key = prefixes.map((prefix) => prefix + name).find((one) => annotations[one] !== undefined)
    if (key === undefined) return undefined
    const text = annotations[key]!.trim()
    const value = parse(text)
    if (value === undefined) problems.push(`annotation ${key}: ${JSON.stringify(text)} must be ${wanted}`)
    return value
  }
  const flag = (name: string): boolean | undefined => read(name, parseFlag, '"true" or "false"')
  const seconds = (name: string): number | undefined =>
    read(
      name,
      (text) => parseInteger(text.replace(/s$/, ''), 1, maxTimeoutSeconds),
      `seconds, 1 to ${maxTimeoutSeconds}`,
    )
  const maxBodyBytes = read('proxy-body-size', parseSize, 'a size such as 8m, or 0')
  const settings: IngressSettings = {
    sslRedirect: flag('ssl-redirect') ?? defaultSettings.sslRedirect,
    forceSslRedirect: flag('force-ssl-redirect') ?? defaultSettings.forceSslRedirect,
    maxBodyBytes: maxBodyBytes ?? defaultSettings.maxBodyBytes,
    namesBodyLimit: maxBodyBytes !== undefined,
    connectTimeoutSeconds: seconds('proxy-connect-timeout') ?? defaultSettings.connectTimeoutSeconds,
    readTimeoutSeconds: seconds('proxy-read-timeout') ?? defaultSettings.readTimeoutSeconds,
    sendTimeoutSeconds: seconds('proxy-send-timeout') ?? defaultSettings.sendTimeoutSeconds,
    protocol:
      read('backend-protocol', (text) => protocols[text.toUpperCase()], Object.keys(protocols).join(', ')) ??
      defaultSettings.protocol,
    retries:
      read('proxy-next-upstream-tries', (text) => parseInteger(text, 0, maxRetries), `0 to ${maxRetries}`) ??
      defaultSettings.retries,
  }
  return { settings, problems }
}

const protocols: Readonly<Record<string, BackendProtocol>> = { HTTP: 'http', HTTPS: 'https', GRPC: 'h2c', GRPCS: 'h2' }

const parseFlag = (text: string): boolean | undefined => (text === 'true' ? true : text === 'false' ? false : undefined)

function parseInteger(text: string, min: number, max: number): number | undefined {
  const number = Number(text)
  return /^\d+$/.test(text) && number >= min && number <= max ? number : undefined
}

/** nginx's sizes: bytes, or with k, m or g. */
function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12})([kmg]?)$/i.exec(text)
  if (!match) return undefined
  return Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf(match[2]!.toLowerCase())
}
