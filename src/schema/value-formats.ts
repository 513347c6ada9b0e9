const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i

function isIpv6(value: string): boolean {
  if (!/^[0-9a-f:.]+$/i.test(value) || value.length > 45) return false
  const halves = value.split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  const last = groups.at(-1) ?? ''
  const embedded = last.includes('.')
  if (embedded && !ipv4.test(last)) return false
  const plain = embedded ? groups.slice(0, -1) : groups
  if (!plain.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false
  const count = plain.length + (embedded ? 2 : 0)
  return halves.length === 2 ? count < 8 : count === 8
}

function isCidr(value: string): boolean {
  const [address = '', bits = '', ...rest] = value.split('/')
  if (rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits)) return false
  return (ipv4.test(address) && Number(bits) <= 32) || (isIpv6(address) && Number(bits) <= 128)
}

/** Go's time.ParseDuration. */
const duration = /^[+-]?(?:0|(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/

function isDate(value: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(`${value}T00:00:00Z`))
}

const uuid = (version: string) =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i')

/** String formats that CRDs may name and that are enforced; others are annotations only. */
const checks: Readonly<Record<string, (value: string) => boolean>> = {
  'date-time': (value) =>
    /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/.test(value) &&
    !Number.isNaN(Date.parse(value)),
  date: isDate,
  datetime: (value) => !Number.isNaN(Date.parse(value)),
  duration: (value) => duration.test(value),
  byte: (value) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
  email: (value) => /^[^@\s]{1,64}@[^@\s]{1,255}$/.test(value),
  hostname: (value) => value.length <= 253 && value.split('.').every((part) => part.length <= 63 && label.test(part)),
  ipv4: (value) => ipv4.test(value),
  ipv6: isIpv6,
  cidr: isCidr,
  mac: (value) => /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(value),
  uri: (value) => URL.canParse(value) || value.startsWith('/'),
  uuid: (value) => uuid('[0-9a-f]').test(value),
  uuid3: (value) => uuid('3').test(value),
  uuid4: (value) => uuid('4').test(value),
  uuid5: (value) => uuid('5').test(value),
}

/** Whether a string has the format; formats that are not enforced are always met. */
export function hasFormat(format: string, value: string): boolean {
  const check = Object.hasOwn(checks, format) ? checks[format] : undefined
  return check ? check(value) : true
}
