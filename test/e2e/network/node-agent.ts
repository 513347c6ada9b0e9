/**
 * The network of one node, run inside that node's network namespace and driven over IPC by the test: objects go in,
 * calls are answered by id.
 */
import type { GroupResource, KubeObject } from '../../../src/api/object.ts'
import { silentLogger } from '../../../src/lib/log.ts'
import { createShellPool } from '../../../src/lib/shell-pool.ts'
import { systemClock, systemRandom } from '../../../src/lib/system.ts'
import { createNetwork, type Network, type NetworkOptions } from '../../../src/network/network.ts'
import { createFakeInformers } from '../../support/fake-informers.ts'

export type AgentSettings = Pick<
  NetworkOptions,
  'nodeName' | 'nodeIp' | 'podCidr' | 'ipv6' | 'backend' | 'isLinkUntrusted' | 'keyFile'
>

export type AgentCall =
  | { method: 'start'; settings: AgentSettings }
  | { method: 'put'; ref: GroupResource; object: KubeObject }
  | { method: 'remove'; ref: GroupResource; namespace: string; name: string }
  | { method: 'attach'; podUid: string; pid: number }
  | { method: 'detach'; podUid: string }
  | { method: 'list' | 'annotations' | 'flush' | 'audit' | 'reset' | 'stop' | 'events' }

const informers = createFakeInformers()
const events: string[] = []
/** First processes of the sandboxes, by pod. */
const sandboxes = new Map<string, number>()
let network: Network | undefined

async function start(settings: AgentSettings): Promise<void> {
  network = await createNetwork({
    ...settings,
    clusterCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/16',
    clusterDomain: 'cluster.local',
    dnsIp: '10.96.0.10',
    resolvConf: '/dev/null',
    sandboxPid: async (podUid) => sandboxes.get(podUid),
    informers,
    events: { event: (_about, type, reason) => void events.push(`${type} ${reason}`) },
    exec: createShellPool({ size: 4 }).exec,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
  await network.start()
}

async function run(call: AgentCall): Promise<unknown> {
  switch (call.method) {
    case 'start':
      return start(call.settings)
    case 'put':
      return informers.put(call.ref, call.object)
    case 'remove':
      return informers.remove(call.ref, call.namespace, call.name)
    case 'attach':
      sandboxes.set(call.podUid, call.pid)
      return network?.pods.attach(call)
    case 'detach':
      sandboxes.delete(call.podUid)
      return network?.pods.detach(call.podUid)
    case 'list':
      return network?.pods.list()
    case 'annotations':
      return network?.nodeAnnotations
    case 'flush':
      return network?.flush()
    case 'audit':
      return network?.audit()
    case 'reset':
      return network?.reset()
    case 'stop':
      return network?.stop()
    case 'events':
      return events
  }
}

process.on('message', (message: { id: number; call: AgentCall }) => {
  run(message.call).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: Error) => process.send?.({ id: message.id, error: error.message }),
  )
})
