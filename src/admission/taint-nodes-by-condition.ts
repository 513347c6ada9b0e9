import type { Node } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { isOn, type AdmissionPlugin } from './plugin.ts'

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

/** A new node takes no pods until it has reported that it is ready: no pod may slip in before its condition is known. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  mutates(attributes) {
    if (!isOn(attributes, refs.nodes, 'CREATE')) return
    const node = attributes.object as Node
    const taints = node.spec?.taints ?? []
    if (taints.some((taint) => taint.key === notReady.key && taint.effect === notReady.effect)) return
    node.spec = { ...node.spec, taints: [...taints, { ...notReady }] }
  },
}
