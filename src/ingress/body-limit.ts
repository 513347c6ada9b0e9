/** The name under which the configuration loads the script. */
export const bodyLimitFile = 'body-limit.lua'

/**
 * A filter that counts a body as it passes and ends the request when it is longer than `filter lua.body-limit BYTES` says:
 * HAProxy by itself knows only what a client announced. It costs four tenths of a thread's requests, so it is put only where
 * an Ingress names a limit. The error that a filter can give is 400; the configuration makes it 413 by the variable.
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
