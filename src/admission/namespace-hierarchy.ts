import type { Namespace } from '../api/kinds.ts'
import {
  ancestorsOf,
  childrenOf,
  inheritedLabel,
  inheritedResources,
  isInherited,
  maxTreeDepth,
  parentLabel,
  parentOf,
} from '../api/namespace-tree.ts'
import { errors, fieldErrors } from '../api/status-error.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { isOn, type AdmissionAttributes, type AdmissionPlugin } from './plugin.ts'

/** Our own controllers, who keep the copies. */
const keeper = 'system:apiserver'

/**
 * Keeps the tree of namespaces a tree: a parent must be there, nobody becomes his own ancestor, and a parent does not
 * go before its children. Inherited objects are changed where they come from.
 *
 * Not promised: that two sides of a partition do not close a cycle together; walks of the tree bear one.
 */
export function namespaceHierarchy(namespaces: Informer<Namespace>): AdmissionPlugin {
  const get = (name: string): Namespace | undefined => namespaces.get('', name)

  function refuseParent({ object, oldObject }: AdmissionAttributes): void {
    const namespace = object as Namespace
    const parent = parentOf(namespace)
    if (parent === undefined || parent === parentOf(oldObject as Namespace | undefined)) return
    const name = namespace.metadata.name ?? ''
    const field = `metadata.labels[${parentLabel}]`
    const refusal = (detail: string) =>
      errors.invalid({ group: '', kind: 'Namespace' }, name, [fieldErrors.invalid(field, parent, detail)])
    const found = get(parent)
    if (!found) throw refusal(`namespace ${JSON.stringify(parent)} does not exist`)
    if (found.metadata.deletionTimestamp) throw refusal(`namespace ${JSON.stringify(parent)} is being terminated`)
    const lineage = [parent, ...ancestorsOf(parent, get)]
    if (name !== '' && lineage.includes(name)) {
      const way = [name, ...lineage.slice(0, lineage.indexOf(name) + 1)].join(' → ')
      throw refusal(`a namespace cannot be its own ancestor: ${way}`)
    }
    if (lineage.length >= maxTreeDepth) throw refusal(`namespaces may be nested at most ${maxTreeDepth} deep`)
  }

  function refuseDeletion({ ref, name }: AdmissionAttributes): void {
    const children = childrenOf(name, namespaces.list()).filter(({ metadata }) => !metadata.deletionTimestamp)
    if (children.length === 0) return
    const list = children.map(({ metadata }) => metadata.name).join(', ')
    throw errors.forbidden(
      ref,
      name,
      `it is the parent of ${list}: delete them first, or all together with 'stormo namespace delete ${name} --cascade'`,
    )
  }

  function refuseCopy({ ref, name, object, oldObject, operation, user }: AdmissionAttributes): void {
    if (user.username === keeper || !inheritedResources.some((one) => isSame(one, ref))) return
    const copied = oldObject && isInherited(oldObject) ? oldObject : undefined
    // Without the label it is the namespace's own from now on.
    const isTakenOver = operation === 'UPDATE' && object && !isInherited(object)
    if (copied && !isTakenOver) {
      const source = copied.metadata.labels?.[inheritedLabel]
      const verb = operation === 'DELETE' ? 'deleted' : 'changed'
      throw errors.forbidden(ref, name, `it is inherited from namespace ${source}, and can only be ${verb} there`)
    }
    if (object && isInherited(object)) {
      throw errors.forbidden(ref, name, `the label ${inheritedLabel} is set by the cluster alone`)
    }
  }

  return {
    name: 'NamespaceHierarchy',
    validates(attributes) {
      if (isOn(attributes, refs.namespaces, 'CREATE', 'UPDATE')) refuseParent(attributes)
      else if (isOn(attributes, refs.namespaces, 'DELETE')) refuseDeletion(attributes)
      else refuseCopy(attributes)
    },
  }
}

const isSame = (a: { group: string; resource: string }, b: { group: string; resource: string }): boolean =>
  a.group === b.group && a.resource === b.resource
