import type { Authorize } from '../api/authorizer.ts'
import type { KubeObject } from '../api/object.ts'
import type { AdmissionChain } from '../admission/chain.ts'
import type { IssueToken } from '../auth/token-request.ts'
import { must } from '../lib/assert.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Store } from '../store/store.ts'
import type { Catalogue } from './catalogue.ts'
import { apiVersionOf } from './api-version.ts'
import type { CustomDefinition } from './custom/definitions.ts'
import { defaultsOnRead, withDefaults } from './custom/read-defaults.ts'
import type { Target } from './options.ts'
import type { RequestContext, ServiceAddresses, TypeSystem } from './ports.ts'

/** Answers a create of something that is never stored (the review kinds). */
export type VirtualResource = (object: KubeObject, context: RequestContext, target: Target) => Promise<KubeObject>

/** Answers reads of something that is never stored but computed each time (metrics.k8s.io). */
export interface VirtualReader {
  /** `namespace` is '' for all of them. */
  list(namespace: string, signal?: AbortSignal): Promise<KubeObject[]>
  /** Undefined: there is none of that name. */
  get(namespace: string, name: string, signal?: AbortSignal): Promise<KubeObject | undefined>
}

/** What the composition root passes to the registry. */
export interface RegistryOptions {
  store: Store
  catalogue: Catalogue
  types: TypeSystem
  admission: AdmissionChain
  authorize: Authorize
  /** Without it Services keep the addresses that their manifests name, and get none. */
  addresses?: ServiceAddresses
  /** Answers POST …/serviceaccounts/{name}/token. */
  issueToken?: IssueToken
  /** By `resource.group`, e.g. `tokenreviews.authentication.k8s.io`. */
  virtualResources?: Readonly<Record<string, VirtualResource>>
  /** By `resource.group`, e.g. `pods.metrics.k8s.io`; asked at each read, so that it may grow. */
  virtualReaders?: ReadonlyMap<string, VirtualReader>
  /** Converts by webhook, for CRDs whose strategy says so; others convert in place. */
  convert?: (objects: readonly KubeObject[], from: ResourceDefinition, to: ResourceDefinition) => Promise<KubeObject[]>
  clock: Clock
  random: Random
  log: Logger
  /** How long a paged list may take from its first page to its last. */
  continueTtlMs?: number
}

/**
 * Whether stored objects may differ from what readers of this version see. Custom objects stay in the version that they
 * were written in, and without the defaults that came later, until they are written again.
 */
export const mayDiffer = (storage: ResourceDefinition, definition: ResourceDefinition): boolean =>
  storage !== definition ||
  (definition as Partial<CustomDefinition>).hasOtherVersions === true ||
  defaultsOnRead(definition)

/**
 * An object of definition `from` in the version of `to`. A frozen object that needs no change is given back itself, so
 * that what was made of it (JSON) serves again; anything else is a copy at the top level that may share nested values.
 */
export async function convert(
  options: Pick<RegistryOptions, 'convert'>,
  object: KubeObject,
  from: ResourceDefinition,
  to: ResourceDefinition,
): Promise<KubeObject> {
  return must((await convertAll(options, [object], from, to))[0], 'one for one')
}

/** As {@link convert}; what needs a webhook goes there in one request, and what is in the wanted version already does not. */
export async function convertAll(
  options: Pick<RegistryOptions, 'convert'>,
  objects: readonly KubeObject[],
  from: ResourceDefinition,
  to: ResourceDefinition,
): Promise<KubeObject[]> {
  const quick = objects.map((object) => convertInPlace(object, from, to))
  const slow = objects.filter((_, index) => !quick[index])
  if (slow.length === 0) return quick as KubeObject[]
  const converted = options.convert
    ? await options.convert(slow, from, to)
    : slow.map((object) => ({ ...object, apiVersion: apiVersionOf(to), kind: to.kind }))
  let next = 0
  return quick.map((object) => object ?? withDefaults(must(converted[next++], 'one for each'), to))
}

/** The conversions that need no webhook: none at all, and those that the kinds bring along. */
function convertInPlace(stored: KubeObject, from: ResourceDefinition, to: ResourceDefinition): KubeObject | undefined {
  const apiVersion = apiVersionOf(to)
  const isThere = mayDiffer(from, to) ? stored.apiVersion === apiVersion : true
  const object = withDefaults(stored, to)
  if (isThere || (from !== to && from.version === to.version && from.group === to.group)) {
    if (object.apiVersion === apiVersion && object.kind === to.kind && Object.isFrozen(object)) return object
    return { ...object, apiVersion, kind: to.kind }
  }
  return from.convertTo?.(object, to.version)
}
