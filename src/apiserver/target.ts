import { errors, StatusError } from '../api/status-error.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import type { Target } from '../registry/options.ts'
import type { RequestInfo } from './request-info.ts'

/** What a resource request is about. Throws NotFound for what is not served, MethodNotAllowed for verbs it lacks. */
export function findTarget(catalogue: Catalogue, info: RequestInfo): Target {
  const definition = catalogue.find(info.group, info.version, info.resource)
  if (!definition || (definition.verbs.length === 0 && definition.subresources.length === 0)) throw notServed()
  const { namespace, name, subresource, verb } = info
  // A namespace is named by its own URL segment, not by one that it lies in.
  const within = info.resource === 'namespaces' && info.group === '' ? '' : namespace
  if (!definition.namespaced && within !== '') throw notServed()
  // A list is of all, however it is selected.
  const target = { definition, namespace: within, name: verb === 'list' ? '' : name, subresource }
  if (subresource !== '') {
    const known = definition.subresources.find((one) => one.name === subresource)
    if (!known) throw notServed()
    if (!known.verbs.includes(verb) && !connects(known.name)) throw notAllowed()
    return target
  }
  // Across namespaces there are lists only: no path leads to one object.
  if (definition.namespaced && within === '' && name !== '' && verb !== 'list' && verb !== 'watch') throw notServed()
  if (definition.namespaced && within === '' && verb !== 'list' && verb !== 'watch' && verb !== 'deletecollection')
    throw notAllowed()
  if (verb === 'create' && name !== '') throw notAllowed()
  if (!definition.verbs.includes(verb)) throw notAllowed()
  return target
}

/** Every method reaches what lies behind these. */
const connects = (subresource: string): boolean =>
  ['exec', 'attach', 'portforward', 'proxy', 'log'].includes(subresource)

const notServed = () => new StatusError('NotFound', 'the server could not find the requested resource', {})
const notAllowed = () => errors.methodNotAllowed('the server does not allow this method on the requested resource')
