import type { Volume } from '../../../src/api/kinds.ts'
import { indent } from './lines.ts'

/** `Volumes:` with each volume below it. */
export function volumeLines(volumes: readonly Volume[] | undefined, isTemplate = false): string[] {
  if (!volumes || volumes.length === 0) return ['Volumes:\t<none>']
  // As with containers, those of a template stand one blank in, and what is in them two more.
  const [head, level] = isTemplate ? [' ', 1] : ['  ', 2]
  return ['Volumes:', ...volumes.flatMap((volume) => [`${head}${volume.name}:`, ...indent(level, oneVolume(volume))])]
}

/** Type and source of a volume, without its name. */
export function oneVolume(volume: Volume): string[] {
  if (volume.hostPath)
    return [
      'Type:\tHostPath (bare host directory volume)',
      `Path:\t${volume.hostPath.path}`,
      `HostPathType:\t${volume.hostPath.type ?? '<none>'}`,
    ]
  if (volume.emptyDir)
    return [
      "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)",
      `Medium:\t${volume.emptyDir.medium ?? ''}`,
      `SizeLimit:\t${volume.emptyDir.sizeLimit ?? '<unset>'}`,
    ]
  if (volume.secret)
    return [
      'Type:\tSecret (a volume populated by a Secret)',
      `SecretName:\t${volume.secret.secretName ?? ''}`,
      ...itemLines(volume.secret.items),
      `Optional:\t${volume.secret.optional ?? false}`,
    ]
  if (volume.configMap)
    return [
      'Type:\tConfigMap (a volume populated by a ConfigMap)',
      `Name:\t${volume.configMap.name ?? ''}`,
      ...itemLines(volume.configMap.items),
      `Optional:\t${volume.configMap.optional ?? false}`,
    ]
  if (volume.persistentVolumeClaim)
    return [
      'Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)',
      `ClaimName:\t${volume.persistentVolumeClaim.claimName}`,
      `ReadOnly:\t${volume.persistentVolumeClaim.readOnly ?? false}`,
    ]
  if (volume.projected) return projectedLines(volume.projected)
  if (volume.downwardAPI)
    return [
      'Type:\tDownwardAPI (a volume populated by information about the pod)',
      'Items:',
      ...(volume.downwardAPI.items ?? []).map(
        (item) => `  ${item.fieldRef?.fieldPath ?? item.resourceFieldRef?.resource ?? ''} -> ${item.path}`,
      ),
    ]
  if (volume.nfs)
    return [
      'Type:\tNFS (an NFS mount that lasts the lifetime of a pod)',
      `Server:\t${volume.nfs.server}`,
      `Path:\t${volume.nfs.path}`,
      `ReadOnly:\t${volume.nfs.readOnly ?? false}`,
    ]
  if (volume.csi)
    return [
      'Type:\tCSI (a Container Storage Interface (CSI) volume source)',
      `Driver:\t${volume.csi.driver}`,
      `FSType:\t${volume.csi.fsType ?? ''}`,
      `ReadOnly:\t${volume.csi.readOnly ?? false}`,
    ]
  if (volume.image)
    return [
      'Type:\tImage (a container image or OCI artifact)',
      `Reference:\t${volume.image.reference ?? ''}`,
      `PullPolicy:\t${volume.image.pullPolicy ?? ''}`,
    ]
  if (volume.ephemeral)
    return [
      'Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)',
      `StorageClass:\t${volume.ephemeral.volumeClaimTemplate?.spec.storageClassName ?? ''}`,
    ]
  return ['Type:\t<unknown>']
}

const itemLines = (items: readonly { key: string; path: string }[] | undefined): string[] =>
  items && items.length > 0 ? ['Items:', ...items.map((item) => `  ${item.key}:\t${item.path}`)] : []

function projectedLines({ sources = [] }: NonNullable<Volume['projected']>): string[] {
  return [
    'Type:\tProjected (a volume that contains injected data from multiple sources)',
    ...sources.flatMap((source) => {
      if (source.secret)
        return [`SecretName:\t${source.secret.name ?? ''}`, `SecretOptionalName:\t${source.secret.optional ?? '<nil>'}`]
      if (source.downwardAPI) return ['DownwardAPI:\ttrue']
      if (source.configMap)
        return [
          `ConfigMapName:\t${source.configMap.name ?? ''}`,
          `ConfigMapOptional:\t${source.configMap.optional ?? '<nil>'}`,
        ]
      if (source.serviceAccountToken)
        return [`TokenExpirationSeconds:\t${source.serviceAccountToken.expirationSeconds ?? 3600}`]
      if (source.clusterTrustBundle) return [`ClusterTrustBundleName:\t${source.clusterTrustBundle.name ?? ''}`]
      return []
    }),
  ]
}
