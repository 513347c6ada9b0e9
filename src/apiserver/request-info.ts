import { type FieldRequirement, parseFieldSelector } from '../lib/selector.ts'

/** What a URL and method mean (apiserver endpoints/request RequestInfo). */
export interface RequestInfo {
  readonly isResource: boolean
  readonly path: string
  /** get, list, watch, create, update, patch, delete, deletecollection; the lower-case method for other paths. */
  readonly verb: string
  readonly group: string
  readonly version: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  /** Of a list or watch: the one name that its field selector asks for, so that rules for this name apply to it. */
  readonly name: string
  /** What follows the subresource: the path behind …/proxy/. */
  readonly tail: string
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

// `namespaces/x/status` is about the namespace, `namespaces/x/pods` about what is in it.
const namespaceSubresources = new Set(['status', 'finalize'])

/** Parses `/api/v1/namespaces/default/pods/web/log` and its like. Never throws: a malformed escape stays as it is. */
export function parseRequestInfo(method: string, url: URL): RequestInfo {
  const path = url.pathname
  const parts = path.split('/').filter((part) => part !== '')
  const fallback: RequestInfo = {
    isResource: false,
    path,
    verb: method.toLowerCase(),
    group: '',
    version: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    tail: '',
  }
  const prefix = parts.shift()
  if (prefix !== 'api' && prefix !== 'apis') return fallback
  const group = prefix === 'apis' ? decode(parts.shift()) : ''
  const version = decode(parts.shift())
  if (version === '' || parts.length === 0) return fallback

  let verb = verbs[method] ?? method.toLowerCase()
  // The deprecated prefix of watches.
  if (parts[0] === 'watch' && parts.length > 1) {
    parts.shift()
    verb = 'watch'
  }
  let namespace = ''
  if (parts[0] === 'namespaces' && parts.length >= 2) {
    namespace = decode(parts[1])
    if (parts.length > 2 && !namespaceSubresources.has(parts[2] ?? '')) parts.splice(0, 2)
  }
  const resource = decode(parts[0])
  let name = decode(parts[1])
  const subresource = decode(parts[2])
  if (resource === 'namespaces' && name === '') namespace = ''
  if (name === '') {
    if (verb === 'get') verb = 'list'
    if (verb === 'delete') verb = 'deletecollection'
  }
  if (verb === 'list') name = selectedName(url.searchParams.get('fieldSelector'))
  const wantsWatch = isTrue(url.searchParams.get('watch'))
  if (verb === 'list' && wantsWatch) verb = 'watch'
  if (verb === 'get' && wantsWatch && subresource === '') verb = 'watch'
  const tail = parts.slice(3).join('/')
  return {
    isResource: true,
    path,
    verb,
    group,
    version,
    namespace,
    resource,
    subresource,
    name,
    tail: tail + (tail && path.endsWith('/') ? '/' : ''),
  }
}

/** The X of `metadata.name=X`; '' without, and for what can be no name. */
function selectedName(selector: string | null): string {
  if (!selector) return ''
  let requirements: FieldRequirement[]
  try {
    requirements = parseFieldSelector(selector)
  } catch {
    // Refused where it is used, with a message.
    return ''
  }
  const { operator, value = '' } = requirements.find(({ field }) => field === 'metadata.name') ?? {}
  return operator === '=' && !/[/%]|^\.\.?$/.test(value) ? value : ''
}

/** Go's strconv.ParseBool, which reads Kubernetes' query parameters. */
export function isTrue(text: string | null | undefined): boolean {
  return text === '1' || text === 't' || text === 'T' || text === 'true' || text === 'True' || text === 'TRUE'
}

function decode(part: string | undefined): string {
  if (part === undefined) return ''
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
