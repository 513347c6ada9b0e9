import type { ObjectMeta } from './kinds.ts'

/** Names a kind of object in the store and in URLs; versions of one resource share their objects. */
export interface GroupResource {
  /** API group, '' for core. */
  readonly group: string
  /** Plural resource name, lower case. */
  readonly resource: string
}

/** Names one object. `namespace` is '' for cluster-scoped resources. */
export interface ObjectKey extends GroupResource {
  readonly namespace: string
  readonly name: string
}

/** Any Kubernetes object as JSON. Objects that the store hands out are frozen: copy before you change. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** `pods` or `deployments.apps`, as kubectl prints it. */
export function groupResourceName(ref: GroupResource): string {
  return ref.group === '' ? ref.resource : `${ref.resource}.${ref.group}`
}

/** One string a key, unique and reversible: none of its parts can hold a slash. */
export function keyString(key: ObjectKey): string {
  return `${key.group}/${key.resource}/${key.namespace}/${key.name}`
}

/** Reverse of {@link keyString}. */
export function parseKey(text: string): ObjectKey {
  const [group = '', resource = '', namespace = '', name = ''] = text.split('/')
  return { group, resource, namespace, name }
}
