import type { Bench } from './bench.ts'
import { agentBench } from './agent.ts'
import { apiBench } from './api.ts'
import { gossipBench } from './gossip/gossip.ts'
import { networkBench } from './network/network.ts'
import { podsBench } from './pods.ts'
import { scaleBench, schedulerBench, storeBench } from './rooms.ts'
import { scaleUpBench } from './scale-up.ts'

/** In the order in which they run: an idle agent can be measured only before it has worked. */
export const allBenches: readonly Bench[] = [
  agentBench,
  podsBench,
  apiBench,
  networkBench,
  scaleUpBench,
  gossipBench,
  schedulerBench,
  scaleBench,
  storeBench,
]
