type Fields = Record<string, unknown>

/** One device of a class, unless a request says otherwise; a toleration without an operator asks for its value. Mutates. */
function defaultDevices(request: Fields): void {
  request['allocationMode'] ||= 'ExactCount'
  if (request['allocationMode'] === 'ExactCount') request['count'] ||= 1
  for (const toleration of (request['tolerations'] as Fields[] | undefined) ?? []) toleration['operator'] ||= 'Equal'
}

/**
 * Defaults of a ResourceClaim's spec (k8s.io/api/resource), in whichever version it is written: a request says what it
 * wants under `exactly`, itself (v1beta1), or as several of which the first that can be had counts. Mutates `spec`.
 */
export function defaultClaimSpec(spec: Fields | undefined): void {
  const devices = spec?.['devices'] as { requests?: Fields[] } | undefined
  for (const request of devices?.requests ?? []) {
    const alternatives = request['firstAvailable'] as Fields[] | undefined
    if (alternatives) alternatives.forEach(defaultDevices)
    else if (request['exactly']) defaultDevices(request['exactly'] as Fields)
    else if (request['deviceClassName'] !== undefined) defaultDevices(request)
  }
}

/** Where a claim's requests ask for access to devices that others use, as monitoring does. Pure. */
export function adminAccessPaths(spec: Fields | undefined, path: string): string[] {
  const devices = spec?.['devices'] as { requests?: Fields[] } | undefined
  return (devices?.requests ?? []).flatMap((request, at) => {
    const exactly = request['exactly'] as Fields | undefined
    const where = `${path}.devices.requests[${at}]`
    if (exactly?.['adminAccess'] === true) return [`${where}.exactly.adminAccess`]
    return request['adminAccess'] === true ? [`${where}.adminAccess`] : []
  })
}
