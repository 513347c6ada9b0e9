import { createHash } from 'node:crypto'
import type { Pod } from '../../api/kinds.ts'

/** What marks an API object as the picture of a file on its node (upstream pkg/kubelet/types). */
export const mirrorAnnotation = 'kubernetes.io/config.mirror'
const hashAnnotation = 'kubernetes.io/config.hash'
const sourceAnnotation = 'kubernetes.io/config.source'

/** The pod of a manifest as it stands in the API: bound to its node, with the node's name in its own. Pure. */
export function mirrorPod(manifest: Pod, nodeName: string, nodeUid: string | undefined): Pod {
  const hash = createHash('sha256').update(JSON.stringify(manifest)).digest('hex').slice(0, 32)
  const { metadata, spec = { containers: [] } } = manifest
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: `${metadata.name}-${nodeName}`,
      namespace: metadata.namespace ?? 'default',
      annotations: {
        ...metadata.annotations,
        [mirrorAnnotation]: hash,
        [hashAnnotation]: hash,
        [sourceAnnotation]: 'file',
      },
      ...(nodeUid === undefined
        ? {}
        : { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeUid, controller: true }] }),
    },
    spec: {
      ...spec,
      nodeName,
      // Nothing but the file ends it.
      tolerations: [...(spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }],
    },
  }
}

export const isMirrorOf = (pod: Pod, nodeName: string): boolean =>
  pod.spec?.nodeName === nodeName && pod.metadata.annotations?.[sourceAnnotation] === 'file'

export const hasChanged = (pod: Pod, wanted: Pod): boolean =>
  pod.metadata.annotations?.[mirrorAnnotation] !== wanted.metadata.annotations?.[mirrorAnnotation]
