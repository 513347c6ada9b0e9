import type { Bench } from './bench.ts'
import { agentBench } from './agent.ts'
import { apiBench } from './api.ts'
import { gossipBench } from './gossip/gossip.ts'
import { networkBench } from './network/network.ts'
import { podsBench } from './pods.ts'
import { schedulerBench, storeBench } from './rooms.ts'
import { scaleBench } from './scale.ts'

/** In the order in which they run: an idle agent can be measured only before it has worked. */
export const allBenches: readonly Bench[] = [
  agentBench,
  podsBench,
  apiBench,
  networkBench,
  scaleBench,
  gossipBench,
  schedulerBench,
  storeBench,
]
