import { createApi } from '../../src/agent/api.ts'
import { createEventRecorder } from '../../src/agent/event-recorder.ts'
import { lead } from '../../src/agent/leader-duties.ts'
import { defaultClusterConfig } from '../../src/agent/membership-file.ts'
import { loopbackUser } from '../../src/auth/user.ts'
import type { Client } from '../../src/client/client.ts'
import type { Informers } from '../../src/client/informer.ts'
import { collectedResources } from '../../src/controllers/resources.ts'
import { initCluster } from '../../src/decision/bootstrap.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { seededRandom } from '../../src/lib/seeded-random.ts'
import { builtinResources } from '../../src/kinds/builtin.ts'
import { createCatalogue } from '../../src/registry/catalogue.ts'
import { inProcessClient } from '../../src/registry/in-process-client.ts'
import { storeInformers } from '../../src/registry/store-informers.ts'
import { fieldLayout } from '../../src/schema/field-layout.ts'
import { loadBuiltinSchemas } from '../../src/schema/graph.ts'
import { SimulatedNetwork } from '../../src/simulation/network.ts'
import { simulatedAuthority } from '../../src/simulation/scenario-cluster.ts'
import { SimulatedDisk } from '../../src/simulation/simulated-disk.ts'
import { peerOf, SimulatedNode, type Life } from '../../src/simulation/simulated-node.ts'
import { VirtualTime } from '../../src/simulation/virtual-time.ts'

/** One machine that leads: store, decision log, API, scheduler and all controllers are those of the agent. */
export interface Machine {
  readonly time: VirtualTime
  readonly clock: Clock
  readonly client: Client
  readonly informers: Informers
  /** Tells the controllers that the mesh reaches a node no more, or again. */
  setAlive(node: string, isAlive: boolean): void
  stop(): void
}

const formLimitMs = 60_000

/** Starts it, and waits until it leads. Waiting costs no time: the machine's clock passes as soon as nothing is left to do. */
export async function startMachine(): Promise<Machine> {
  const time = new VirtualTime()
  const chance = seededRandom(1)
  const hit = (): void => undefined
  const disk = new SimulatedDisk(time, chance, hit)
  const { secrets, authority } = await simulatedAuthority()
  const graph = loadBuiltinSchemas()
  const catalogue = createCatalogue(builtinResources(graph))
  const lostSinceMs = new Map<string, number>()
  const listeners = new Set<(node: string) => void>()
  let machine: Machine | undefined
  let startLeading: ((term: number, lost: AbortSignal) => void) | undefined

  const member = { node: 'leader', peer: peerOf(1), addresses: [], apiUrl: 'https://leader:6443', zone: '' }
  const compose = ({ store, decisions, clock }: Life): void => {
    const informers = storeInformers(store)
    const common = { clock, random: chance, logger: silentLogger }
    const config = defaultClusterConfig
    const api = createApi({ ...common, catalogue, store, informers, decisions, secrets, config, nodeName: member.node })
    const client = inProcessClient(api.registry, loopbackUser, { fieldManager: 'stormo' })
    void api.customResources.start()
    const context: Parameters<typeof lead>[0] = {
      ...common,
      client,
      informers,
      config,
      authority,
      caPem: secrets.ca.certPem,
      frontProxyCaPem: secrets.frontProxyCa.certPem,
      events: (component) => createEventRecorder({ ...common, client, component, host: member.node }),
      resources: () => collectedResources(catalogue.all()),
      onResources: (handler) => catalogue.onChange(handler),
      isAlive: (name) => !lostSinceMs.has(name),
      leaseAgeMs: (name) => clock.monotonicMs() - (lostSinceMs.get(name) ?? Infinity),
      onLiveness(handler) {
        listeners.add(handler)
        return () => void listeners.delete(handler)
      },
      members: () => decisions.members(),
      onMembership: () => () => undefined,
    }
    startLeading = (term, lost) => void lead(context, term, lost).catch(() => undefined)
    machine = {
      time,
      clock,
      client,
      informers,
      setAlive(name, isAlive) {
        if (isAlive) lostSinceMs.delete(name)
        else lostSinceMs.set(name, clock.monotonicMs())
        for (const listener of listeners) listener(name)
      },
      stop: () => node.kill(),
    }
  }
  const node = new SimulatedNode({
    name: member.node,
    number: 1,
    time,
    network: new SimulatedNetwork(time, chance, hit),
    chance,
    disk,
    layout: fieldLayout((ref) => {
      const definition = catalogue.preferred(ref)
      const stored = definition && catalogue.storage(definition)
      return stored && graph.get(stored.schemaName)
    }),
    config: {},
    knownMembers: () => [member],
    onConflict: () => undefined,
    onBoot: compose,
    onLead: (term, lost) => startLeading?.(term, lost),
  })
  let isUp = false
  initCluster(disk.log, member)
    .then(() => node.start())
    .then(() => (isUp = true), console.error)
  const leads = (): boolean => isUp && node.life?.decisions.status().isLeader === true
  if (!(await time.until(leads, formLimitMs)) || !machine) throw new Error('the machine does not come to lead')
  await time.advance(5000)
  return machine
}
