import type { RouteBackend } from './routes.ts'

/** The name under which the configuration loads the script. */
export const bodyLimitFile = 'body-limit.lua'

/** A stream of gRPC is no body that somebody waits for the end of: it is limited only where an Ingress says so. */
const countsBodies = ({ settings, protocol }: RouteBackend): boolean =>
  settings.maxBodyBytes > 0 && (settings.namesBodyLimit || protocol === 'http' || protocol === 'https')

const countedName = (name: string): string => `${name}.counted`

/**
 * The names under which a backend stands in the configuration. A filter is a proxy's as a whole, so a backend that has
 * bodies to count stands there twice: requests that announce a length, or have no body, do not pay for the others.
 */
export const sectionNames = (backend: RouteBackend): string[] =>
  countsBodies(backend) ? [backend.name, countedName(backend.name)] : [backend.name]

/** Of the sections those that count. */
export const isCounted = (section: string): boolean => section.endsWith(countedName(''))

/** The backends that stand there twice are listed in this file. */
export const countedFile = 'counted.list'

export const countedListText = (backends: readonly RouteBackend[]): string =>
  backends
    .filter(countsBodies)
    .map(({ name }) => `${name}\n`)
    .join('')

/**
 * Sends a request whose body has not come to its end, and whose length nobody announced (chunked, or HTTP/2), to where it is
 * counted. Expects the name of the backend in `txn.backend`.
 */
export const countedRule = (dir: string): string =>
  `use_backend %[var(txn.backend)]${countedName('')} if !{ req.hdr(content-length) -m found } !{ internal.htx.has_eom } { var(txn.backend) -m str -f ${dir}/${countedFile} }`

/**
 * A filter that counts a body as it passes and ends the request when it is longer than `filter lua.body-limit BYTES` says:
 * HAProxy by itself knows only what a client announced. It costs four tenths of a thread's requests. The error that a
 * filter can give is 400; the configuration makes it 413 by the variable.
 */
export const bodyLimitScript = `local Limit = { id = "body-limit", flags = filter.FLT_CFG_FL_HTX }
Limit.__index = Limit

function Limit:new()
  return setmetatable({ max = self.max, seen = 0 }, Limit)
end

function Limit:start_analyze(txn, channel)
  if not channel:is_resp() then filter.register_data_filter(self, channel) end
end

function Limit:http_payload(txn, message)
  self.seen = self.seen + message:input()
  if self.seen <= self.max then return end
  txn:set_var("txn.too_large", true)
  return filter.ERROR
end

core.register_filter("body-limit", Limit, function(class, arguments)
  class.max = tonumber(arguments[1])
  return class
end)
`
