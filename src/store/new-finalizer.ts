import type { KubeObject, ObjectKey } from '../api/object.ts'
import { errors } from '../api/status-error.ts'

/** Throws Conflict when the object is held by a finalizer that the caller has not seen. */
export function requireNoNewFinalizer(key: ObjectKey, object: KubeObject, base: KubeObject | undefined): void {
  const known = base?.metadata.finalizers ?? []
  if (base && object.metadata.finalizers?.some((one) => !known.includes(one)))
    throw errors.conflict(key, key.name, 'the object got a finalizer meanwhile')
}
