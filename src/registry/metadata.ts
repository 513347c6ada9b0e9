import type { ObjectMeta } from '../api/kinds.ts'
import type { KubeObject, ObjectKey } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { Random } from '../lib/clock.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Target } from './options.ts'

let latest = { second: Number.NaN, text: '' }

/** Seconds are what metav1.Time carries; the latest is remembered, for a write asks three times. */
export function timestamp(nowMs: number): string {
  const second = Math.floor(nowMs / 1000)
  if (second !== latest.second) latest = { second, text: `${new Date(second * 1000).toISOString().slice(0, -5)}Z` }
  return latest.text
}

// Without vowels and look-alikes, so that no word comes about (apimachinery util/rand).
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789'
const suffixLength = 5
const maxGeneratedBase = 63 - suffixLength

/** `web-` → `web-x7k2p`. */
export function generateName(base: string, random: Random): string {
  let suffix = ''
  for (let at = 0; at < suffixLength; at++) suffix += nameAlphabet[Math.floor(random.next() * nameAlphabet.length)]
  return base.slice(0, maxGeneratedBase) + suffix
}

/** A version 4 UUID (RFC 9562) out of the given source of chance. */
export function newUid(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Buffer.from(bytes).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Where the object of this definition lives in the store. */
export function keyOf(definition: ResourceDefinition, namespace: string, name: string): ObjectKey {
  const at = definition.storedAs ?? definition
  return { group: at.group, resource: at.resource, namespace: definition.namespaced ? namespace : '', name }
}

/** The body must name what the URL names, or leave it out. Fills in what it leaves out. Throws BadRequest. */
export function alignWithUrl(object: KubeObject, target: Target): void {
  const { metadata } = object
  if (target.definition.namespaced) {
    if (metadata.namespace === undefined || metadata.namespace === '') metadata.namespace = target.namespace
    if (metadata.namespace !== target.namespace) {
      throw errors.badRequest(`the namespace of the provided object does not match the namespace sent on the request`)
    }
  } else if (metadata.namespace !== undefined && metadata.namespace !== '') {
    throw errors.badRequest('namespace may not be set on a cluster-scoped resource')
  } else delete metadata.namespace
  if (target.name !== '') {
    if (metadata.name === undefined || metadata.name === '') metadata.name = target.name
    if (metadata.name !== target.name) {
      throw errors.badRequest(
        `the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`,
      )
    }
  }
}

/** What a create may not bring along, and what the server gives each new object. */
export function initialMetadata(
  object: KubeObject,
  definition: ResourceDefinition,
  nowMs: number,
  random: Random,
): void {
  const { metadata } = object
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '') {
    throw errors.badRequest('resourceVersion should not be set on objects to be created')
  }
  delete metadata.resourceVersion
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete metadata.selfLink
  delete metadata.generation
  metadata.uid = newUid(random)
  metadata.creationTimestamp = timestamp(nowMs)
  if (definition.hasGeneration) metadata.generation = 1
}

// What only the server sets: whatever an update brings, the stored value stays.
const serverFields = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'selfLink',
  'generateName',
] as const satisfies readonly (keyof ObjectMeta)[]

/** Keeps the server's own metadata through an update. */
export function keepServerMetadata(next: KubeObject, current: KubeObject): void {
  const kept: Record<string, unknown> = next.metadata as Record<string, unknown>
  for (const field of serverFields) {
    const value = current.metadata[field]
    if (value === undefined) delete kept[field]
    else kept[field] = value
  }
}
