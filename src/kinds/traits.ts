import type { KubeObject } from '../api/object.ts'
import type { FieldError } from '../api/status-error.ts'
import type { Column } from './definition.ts'
import type { NameRule } from './meta/names.ts'

/** {@link import('./definition.ts').Strategy} over one kind's own type. */
export interface KindStrategy<T extends KubeObject> {
  prepareForCreate?(object: T): void
  prepareForUpdate?(object: T, old: T): void
  applyDefaults?(object: T): void
  validate?(object: T): FieldError[]
  validateUpdate?(object: T, old: T): FieldError[]
  warnings?(object: T): string[]
}

/**
 * What the schema data does not say about a kind: written by hand, a file or a few a kind. Everything left out takes
 * the value that most kinds have.
 */
export interface KindTraits<T extends KubeObject = KubeObject> {
  group: string
  resource: string
  /** Restricts the traits to one version; without it they hold for all versions of the resource. */
  version?: string
  shortNames?: readonly string[]
  categories?: readonly string[]
  /** How metadata.name is checked; a DNS subdomain by default. */
  nameRule?: NameRule
  /** Name and creation time by default. */
  columns?: readonly Column[]
  /** Beyond metadata.name and metadata.namespace. */
  selectable?(object: T): Record<string, string>
  strategy?: KindStrategy<T>
  subresourceStrategies?: Readonly<Record<string, KindStrategy<T>>>
  /** Whether metadata.generation counts the changes of the desired state. */
  hasGeneration?: boolean
  decided?: boolean
  storageVersion?: string
  storedAs?: { group: string; resource: string }
  convertTo?(object: T, version: string): KubeObject
}

/** Keeps the kind's type inside the traits while lists of traits stay homogeneous. */
export function traits<T extends KubeObject>(of: KindTraits<T>): KindTraits {
  return of as unknown as KindTraits
}
