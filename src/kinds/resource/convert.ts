type Fields = Record<string, unknown>

/** What a request says itself in v1beta1, and under `exactly` in later versions. */
const exactFields = [
  'deviceClassName',
  'selectors',
  'allocationMode',
  'count',
  'adminAccess',
  'tolerations',
  'capacity',
]

/** The spec of a ResourceClaim in the shape of `version`. Converting there and back changes nothing. */
export function convertClaimSpec(spec: Fields, version: string): Fields {
  const devices = spec['devices'] as { requests?: Fields[] } | undefined
  if (!devices?.requests) return spec
  const convert = version === 'v1beta1' ? flattenRequest : nestRequest
  return { ...spec, devices: { ...devices, requests: devices.requests.map(convert) } }
}

function flattenRequest(request: Fields): Fields {
  const { exactly, ...rest } = request
  return exactly === undefined ? request : { ...rest, ...(exactly as Fields) }
}

function nestRequest(request: Fields): Fields {
  if (request['exactly'] !== undefined || request['firstAvailable'] !== undefined) return request
  const entries = Object.entries(request)
  const exactly = Object.fromEntries(entries.filter(([field]) => exactFields.includes(field)))
  const rest = Object.fromEntries(entries.filter(([field]) => !exactFields.includes(field)))
  return Object.keys(exactly).length === 0 ? rest : { ...rest, exactly }
}

/** The spec of a ResourceSlice in the shape of `version`: v1beta1 has a device's properties under `basic`. */
export function convertDevices(spec: Fields, version: string): Fields {
  const devices = spec['devices'] as Fields[] | undefined
  if (!devices) return spec
  return { ...spec, devices: devices.map(version === 'v1beta1' ? nestDevice : flattenDevice) }
}

function nestDevice(device: Fields): Fields {
  if (device['basic'] !== undefined) return device
  const { name, ...basic } = device
  return { name, basic }
}

function flattenDevice({ basic, ...device }: Fields): Fields {
  return { ...device, ...(basic as Fields | undefined) }
}
