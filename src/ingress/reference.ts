import type { ObjectReference } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'

/** What an Event about an object says of it. */
export const referenceOf = ({ apiVersion, kind, metadata }: KubeObject): ObjectReference => ({
  apiVersion,
  kind,
  name: metadata.name,
  namespace: metadata.namespace,
  uid: metadata.uid,
})
