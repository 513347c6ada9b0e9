import type { PodSpec, ResourceRequirements } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { compareQuantity, isWholeQuantity, parseQuantity, quantityError } from '../../../lib/quantity.ts'
import { qualifiedName } from '../../meta/names.ts'
import { invalidEach, nonNegativeMessage } from '../../meta/validate.ts'

const nativeResources = ['cpu', 'memory', 'ephemeral-storage']
const isHugePages = (name: string) => name.startsWith('hugepages-')
/** Resources of devices and the like: they have a domain, and a request of them must equal the limit. */
export const isExtendedResource = (name: string) =>
  name.includes('/') && !name.split('/')[0]?.endsWith('kubernetes.io') && !name.startsWith('requests.')

/** The rules on a quantity under a resource's name. `path` names the entry itself. */
export function validateQuantity(name: string, quantity: string | number, path: string): FieldError[] {
  const problem = quantityError(quantity)
  if (problem) return [fieldErrors.invalid(path, quantity, problem)]
  const amount = parseQuantity(quantity)
  if (amount.nano < 0n) return [fieldErrors.invalid(path, quantity, nonNegativeMessage)]
  if (isExtendedResource(name) && !isWholeQuantity(amount))
    return [fieldErrors.invalid(path, quantity, 'must be an integer')]
  return []
}

function validateResourceName(name: string, path: string): FieldError[] {
  const wrong = invalidEach(path, name, qualifiedName(name))
  if (wrong.length > 0 || name.includes('/') || nativeResources.includes(name) || isHugePages(name)) return wrong
  return [fieldErrors.invalid(path, name, 'must be a standard resource type or fully qualified')]
}

/** Requests and limits of a container or pod (ValidateResourceRequirements). */
export function validateResources(
  { requests = {}, limits = {}, claims = [] }: ResourceRequirements,
  path: string,
  podClaims?: PodSpec['resourceClaims'],
): FieldError[] {
  const wrong: FieldError[] = []
  for (const [name, quantity] of Object.entries(limits)) {
    const at = `${path}.limits[${name}]`
    wrong.push(...validateResourceName(name, at), ...validateQuantity(name, quantity, at))
  }
  for (const [name, quantity] of Object.entries(requests)) {
    const at = `${path}.requests[${name}]`
    const errors = [...validateResourceName(name, at), ...validateQuantity(name, quantity, at)]
    wrong.push(...errors)
    const limit = limits[name]
    if (errors.length > 0) continue
    if (limit === undefined) {
      if (isExtendedResource(name))
        wrong.push(fieldErrors.required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
      continue
    }
    if (quantityError(limit)) continue
    const order = compareQuantity(parseQuantity(quantity), parseQuantity(limit))
    if ((isExtendedResource(name) || isHugePages(name)) && order !== 0) {
      wrong.push(fieldErrors.invalid(`${path}.requests`, quantity, `must be equal to ${name} limit of ${limit}`))
    } else if (order > 0) {
      wrong.push(
        fieldErrors.invalid(`${path}.requests`, quantity, `must be less than or equal to ${name} limit of ${limit}`),
      )
    }
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)]
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) {
    wrong.push(fieldErrors.forbidden(path, 'HugePages require cpu or memory'))
  }
  const seen = new Set<string>()
  for (const [index, claim] of claims.entries()) {
    const at = `${path}.claims[${index}]`
    const key = `${claim.name}/${claim.request ?? ''}`
    if (!claim.name) wrong.push(fieldErrors.required(`${at}.name`))
    else if (seen.has(key)) wrong.push(fieldErrors.duplicate(at, claim.name))
    else if (podClaims && !podClaims.some(({ name }) => name === claim.name))
      wrong.push(fieldErrors.notFound(`${at}.name`, claim.name))
    seen.add(key)
  }
  return wrong
}
