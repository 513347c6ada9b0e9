import type { Namespace } from './kinds.ts'
import type { KubeObject } from './object.ts'

/** Label of a namespace that names the one which it belongs to. */
export const parentLabel = 'stormo.dev/parent'
/** Label of an object that the cluster keeps as the copy of one in the named namespace. */
export const inheritedLabel = 'stormo.dev/inherited-from'
/** Deeper than any organisation; bounds every walk. */
export const maxTreeDepth = 32

/** The resources that children inherit, by copies that the cluster keeps in step. */
export const inheritedResources = [
  { group: 'rbac.authorization.k8s.io', resource: 'roles' },
  { group: 'rbac.authorization.k8s.io', resource: 'rolebindings' },
  { group: 'networking.k8s.io', resource: 'networkpolicies' },
  { group: '', resource: 'limitranges' },
] as const

export function parentOf(namespace: Namespace | undefined): string | undefined {
  return namespace?.metadata.labels?.[parentLabel] || undefined
}

/** True for a copy that the cluster keeps. */
export function isInherited(object: KubeObject): boolean {
  return object.metadata.labels?.[inheritedLabel] !== undefined
}

/**
 * The namespaces above `name`, the nearest first; ends where one is not there. Admission refuses cycles, but two sides
 * of a partition can make one together: a walk stops before it comes back, so that every node sees the same, finite
 * list.
 */
export function ancestorsOf(name: string, get: (name: string) => Namespace | undefined): string[] {
  const found: string[] = []
  let parent = parentOf(get(name))
  while (parent !== undefined && parent !== name && !found.includes(parent) && found.length < maxTreeDepth) {
    const namespace = get(parent)
    if (!namespace) break
    found.push(parent)
    parent = parentOf(namespace)
  }
  return found
}

/** The namespaces whose parent is `name`, by name. */
export function childrenOf(name: string, namespaces: readonly Namespace[]): Namespace[] {
  return namespaces
    .filter((one) => parentOf(one) === name)
    .toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
}

/** The namespaces below `name`, parents before their children. */
export function descendantsOf(name: string, namespaces: readonly Namespace[]): string[] {
  const byParent = Map.groupBy(namespaces, (one) => parentOf(one) ?? '')
  const found = new Set<string>()
  const visit = (parent: string): void => {
    for (const { metadata } of byParent.get(parent) ?? []) {
      const child = metadata.name ?? ''
      if (child === name || found.has(child)) continue
      found.add(child)
      visit(child)
    }
  }
  visit(name)
  return [...found]
}
