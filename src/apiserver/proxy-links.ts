import { Transform } from 'node:stream'

/** Where a proxied server believes to be, and where its clients see it. */
export interface ProxiedPlace {
  /** Path of the proxy itself, without a slash at its end: `/api/v1/namespaces/default/pods/web/proxy`. */
  readonly prefix: string
  /** Scheme and host by which the client reached us. */
  readonly scheme: string
  readonly host: string
  /** `ADDRESS:PORT` of the server. */
  readonly backend: string
}

/**
 * A link of a proxied server as its client must see it (apimachinery's pkg/util/proxy/transport.go): absolute paths get
 * the proxy's path before them. Relative links and those to other hosts stay.
 */
export function proxiedLink(link: string, { prefix, scheme, host, backend }: ProxiedPlace): string {
  const [, linkScheme, linkHost, path = '', rest = ''] =
    /^(?:([a-zA-Z][a-zA-Z\d+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/s.exec(link) ?? []
  const isElsewhere = linkHost !== undefined && linkHost !== '' && linkHost !== backend && linkHost !== host
  if (isElsewhere || !path.startsWith('/')) return link
  const origin = linkScheme === undefined && linkHost === undefined ? '' : `${scheme}://${host}`
  return `${origin}${path.startsWith(prefix) ? path : prefix + path}${rest}`
}

/** Attributes that hold links, by the elements that have them (HTML 4 and 5, as upstream lists them). */
const linkAttributes: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
}

/** What looks like a tag inside these is text. */
const rawElements = new Set(['script', 'style', 'textarea', 'title'])
/** A tag that is still open after so much is no tag; it passes as it is. */
const maxTagLength = 64 * 1024
/** A whole tag, whose quoted values may contain `>`. */
const wholeTag = /<(\/?)([a-zA-Z][a-zA-Z\d]*)(?:"[^"]*"|'[^']*'|[^'">])*>/y
const attribute = /(\s)([a-zA-Z-]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g

/** Passes HTML on with its links rewritten. Works on bytes: every encoding that contains ASCII will do. */
export function rewriteLinks(place: ProxiedPlace): Transform {
  let waiting = ''
  /** Name of the raw element that we are in. */
  let raw: string | undefined

  function takeTag(text: string, at: number): string | undefined {
    wholeTag.lastIndex = at
    const [tag, slash = '', name = ''] = wholeTag.exec(text) ?? []
    const element = name.toLowerCase()
    if (tag === undefined) return undefined
    if (raw !== undefined) {
      if (slash && element === raw) raw = undefined
    } else if (!slash && rawElements.has(element)) raw = element
    return tag
  }

  function take(isLast: boolean): string {
    let out = ''
    let at = 0
    for (;;) {
      const open = waiting.indexOf('<', at)
      if (open < 0) break
      out += waiting.slice(at, open)
      at = open
      const wasRaw = raw !== undefined
      const end = waiting.startsWith('<!--', at) && !wasRaw ? waiting.indexOf('-->', at) : -1
      const comment = end < 0 ? undefined : waiting.slice(at, end + 3)
      const tag = comment ?? takeTag(waiting, at)
      if (tag === undefined) {
        if (!isLast && waiting.length - at < maxTagLength && couldBecomeTag(waiting, at)) break
        out += '<'
        at += 1
        continue
      }
      out += comment === undefined && !wasRaw ? rewriteTag(tag, place) : tag
      at += tag.length
    }
    const open = waiting.indexOf('<', at)
    if (isLast || open < 0) {
      out += waiting.slice(at)
      waiting = ''
    } else waiting = waiting.slice(at)
    return out
  }

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      waiting += chunk.toString('latin1')
      done(null, Buffer.from(take(false), 'latin1'))
    },
    flush: (done) => done(null, Buffer.from(take(true), 'latin1')),
  })
}

const couldBecomeTag = (text: string, at: number): boolean => /^<(?:$|[/!a-zA-Z])/.test(text.slice(at, at + 2))

function rewriteTag(tag: string, place: ProxiedPlace): string {
  const names = linkAttributes[/^<([a-zA-Z\d]*)/.exec(tag)?.[1]?.toLowerCase() ?? '']
  if (!names) return tag
  return tag.replace(attribute, (whole, space: string, name: string, equals: string, value: string) => {
    if (!names.includes(name.toLowerCase())) return whole
    const quote = value.startsWith('"') || value.startsWith("'") ? value[0]! : ''
    const link = quote ? value.slice(1, -1) : value
    return `${space}${name}${equals}${quote}${proxiedLink(link, place)}${quote}`
  })
}
