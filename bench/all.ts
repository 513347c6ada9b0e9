import type { Bench } from './bench.ts'
import { agentBench } from './agent.ts'
import { apiBench } from './api.ts'
import { gossipBench } from './gossip/gossip.ts'
import { podsBench } from './pods.ts'
import { scaleBench } from './scale.ts'

/** In the order in which they run: an idle agent can be measured only before it has worked. */
export const allBenches: readonly Bench[] = [agentBench, podsBench, apiBench, scaleBench, gossipBench]
