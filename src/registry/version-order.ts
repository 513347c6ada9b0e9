// Upstream's group priorities (kube-apiserver, cmd/kube-apiserver/app/aggregator.go): kubectl resolves a bare name to
// the first group that has it.
const priorities: Readonly<Record<string, number>> = {
  '': 18_000,
  'apiregistration.k8s.io': 17_900,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'resource.k8s.io': 15_900,
}

/** Higher comes first. Groups of CRDs have 1,000, as upstream's crdregistration gives them. */
export function groupPriority(group: string): number {
  return priorities[group] ?? 1000
}

const versionPattern = /^v(\d+)(?:(alpha|beta)(\d+))?$/

/**
 * Kubernetes' version order, the preferred first: GA before beta before alpha, higher before lower, what is no such
 * version last by name (apimachinery pkg/version CompareKubeAwareVersionStrings).
 */
export function compareVersions(a: string, b: string): number {
  const left = versionPattern.exec(a)
  const right = versionPattern.exec(b)
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0
  return (
    stability(right[2]) - stability(left[2]) ||
    Number(right[1]) - Number(left[1]) ||
    Number(right[3] ?? 0) - Number(left[3] ?? 0)
  )
}

const stability = (word: string | undefined): number => (word === undefined ? 2 : word === 'beta' ? 1 : 0)
