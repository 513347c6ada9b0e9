import type { Container, Pod, PodSpec, Volume } from '../../api/kinds.ts'

/** Names of the objects in its own namespace that a pod needs to run. */
export interface PodReferences {
  secrets: Set<string>
  configMaps: Set<string>
  claims: Set<string>
  serviceAccount: string
}

/** What the pod's spec refers to: volumes, environment, pull secrets (upstream's VisitPodSecretNames and its likes). */
export function podReferences(pod: Pod): PodReferences {
  const spec = pod.spec ?? ({ containers: [] } as PodSpec)
  const found: PodReferences = {
    secrets: new Set((spec.imagePullSecrets ?? []).flatMap((ref) => ref.name ?? [])),
    configMaps: new Set(),
    claims: new Set(),
    serviceAccount: spec.serviceAccountName ?? '',
  }
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]
  for (const container of containers) addEnvironment(container as Container, found)
  for (const volume of spec.volumes ?? []) addVolume(volume, pod.metadata.name ?? '', found)
  return found
}

function addEnvironment(container: Container, found: PodReferences): void {
  for (const source of container.envFrom ?? []) {
    if (source.secretRef?.name) found.secrets.add(source.secretRef.name)
    if (source.configMapRef?.name) found.configMaps.add(source.configMapRef.name)
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.secretKeyRef?.name) found.secrets.add(valueFrom.secretKeyRef.name)
    if (valueFrom?.configMapKeyRef?.name) found.configMaps.add(valueFrom.configMapKeyRef.name)
  }
}

function addVolume(volume: Volume, podName: string, found: PodReferences): void {
  if (volume.secret?.secretName) found.secrets.add(volume.secret.secretName)
  if (volume.configMap?.name) found.configMaps.add(volume.configMap.name)
  if (volume.persistentVolumeClaim) found.claims.add(volume.persistentVolumeClaim.claimName)
  if (volume.ephemeral) found.claims.add(`${podName}-${volume.name}`)
  if (volume.csi?.nodePublishSecretRef?.name) found.secrets.add(volume.csi.nodePublishSecretRef.name)
  for (const source of volume.projected?.sources ?? []) {
    if (source.secret?.name) found.secrets.add(source.secret.name)
    if (source.configMap?.name) found.configMaps.add(source.configMap.name)
  }
}
