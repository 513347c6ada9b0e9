import type { KubeObject } from '../api/object.ts'

const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
/** All annotations of an object together (apimachinery validation TotalAnnotationSizeLimitB). */
const maxAnnotationsBytes = 256 * 1024

/**
 * Keeps what `kubectl apply` compares with in step when `kubectl apply --server-side` goes on with an object, so that
 * one may change back (kube-apiserver's lastAppliedUpdater). Other managers leave it alone. Mutates `merged`.
 */
export function keepLastApplied(merged: KubeObject, applied: KubeObject, manager: string): void {
  const { annotations } = merged.metadata
  if (manager !== 'kubectl' || annotations?.[annotation] === undefined) return
  const { annotations: own, managedFields: _, ...metadata } = applied.metadata
  const { [annotation]: _old, ...others } = own ?? {}
  const text = `${JSON.stringify({
    ...applied,
    metadata: { ...(Object.keys(others).length > 0 ? { annotations: others } : {}), ...metadata },
  })}\n`
  const next = { ...annotations, [annotation]: text }
  const bytes = Object.entries(next).reduce((sum, [key, value]) => sum + key.length + Buffer.byteLength(value), 0)
  if (bytes <= maxAnnotationsBytes) merged.metadata.annotations = next
}
