import type { LimitRange, Namespace, PriorityClass, ServiceAccount } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock, Random } from '../lib/clock.ts'
import { defaultTolerationSeconds, type TolerationDefaults } from './default-toleration-seconds.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import type { AdmissionPlugin } from './plugin.ts'
import { priorityAdmission } from './priority.ts'
import { serviceAccountAdmission } from './service-account.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'

export interface BuiltInAdmissionOptions {
  informers: Informers
  clock: Clock
  random: Random
  tolerations?: TolerationDefaults
}

/** The plugins of the process itself, in upstream's order. */
export function builtInAdmission(options: BuiltInAdmissionOptions): AdmissionPlugin[] {
  const { informers, clock, random } = options
  return [
    namespaceLifecycle(informers.for<Namespace>(refs.namespaces), clock),
    limitRanger(informers.for<LimitRange>(refs.limitRanges)),
    serviceAccountAdmission({
      serviceAccounts: informers.for<ServiceAccount>(refs.serviceAccounts),
      clock,
      random,
    }),
    taintNodesByCondition,
    priorityAdmission(informers.for<PriorityClass>(refs.priorityClasses)),
    defaultTolerationSeconds(options.tolerations),
  ]
}
