import type { Profile } from './framework/framework.ts'
import { nodeAffinity, nodePreference } from './plugins/node-affinity.ts'
import { nodeName, nodePorts, nodeUnschedulable, taintPreference, taintToleration } from './plugins/node-conditions.ts'
import { balancedAllocation, leastAllocated, nodeResourcesFit } from './plugins/node-resources.ts'
import { spread } from './plugins/spread.ts'

/** What `schedulerName: default-scheduler` means. The cheap filters come first. */
export const defaultProfile: Profile = {
  name: 'default-scheduler',
  filters: [
    nodeUnschedulable,
    nodeName,
    taintToleration,
    nodeAffinity,
    nodePorts,
    nodeResourcesFit,
  ] as Profile['filters'],
  scores: [leastAllocated, balancedAllocation, taintPreference, nodePreference, spread] as Profile['scores'],
}
