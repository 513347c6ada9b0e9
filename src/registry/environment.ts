import type { Authorize } from '../api/authorizer.ts'
import type { KubeObject } from '../api/object.ts'
import type { AdmissionChain } from '../admission/chain.ts'
import type { IssueToken } from '../auth/token-request.ts'
import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Store } from '../store/store.ts'
import type { Catalogue } from './catalogue.ts'
import { apiVersionOf } from './api-version.ts'
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
  convert?: (object: KubeObject, from: ResourceDefinition, to: ResourceDefinition) => Promise<KubeObject>
  clock: Clock
  random: Random
  log: Logger
  /** How long a paged list may take from its first page to its last. */
  continueTtlMs?: number
}

/**
 * An object of definition `from` in the version of `to`. Always a copy at the top level; nested values may be shared
 * with the frozen original.
 */
export async function convert(
  options: Pick<RegistryOptions, 'convert'>,
  object: KubeObject,
  from: ResourceDefinition,
  to: ResourceDefinition,
): Promise<KubeObject> {
  const quick = convertInPlace(object, from, to)
  if (quick) return quick
  if (options.convert) return options.convert(object, from, to)
  return { ...object, apiVersion: apiVersionOf(to), kind: to.kind }
}

/** The conversions that need no webhook: none at all, and those that the kinds bring along. */
function convertInPlace(object: KubeObject, from: ResourceDefinition, to: ResourceDefinition): KubeObject | undefined {
  if (from === to || (from.version === to.version && from.group === to.group)) {
    return { ...object, apiVersion: apiVersionOf(to), kind: to.kind }
  }
  return from.convertTo?.(object, to.version)
}
