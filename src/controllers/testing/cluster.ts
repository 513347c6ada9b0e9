import { createAdmissionChain } from '../../admission/chain.ts'
import { defaultTolerationSeconds } from '../../admission/default-toleration-seconds.ts'
import { namespaceLifecycle } from '../../admission/namespace-lifecycle.ts'
import type { AdmissionPlugin } from '../../admission/plugin.ts'
import { defaultStorageClass, storageObjectInUseProtection } from '../../admission/storage.ts'
import type { Namespace, Node, ObjectReference, Pod, StorageClass } from '../../api/kinds.ts'
import type { GroupResource, KubeObject } from '../../api/object.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import { type Client, refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { VirtualClock } from '../../lib/testing/virtual-clock.ts'
import { builtinResources } from '../../kinds/builtin.ts'
import { silentLogger } from '../../lib/log.ts'
import { createCatalogue, type Catalogue } from '../../registry/catalogue.ts'
import { inProcessClient } from '../../registry/in-process-client.ts'
import { createRegistry } from '../../registry/registry.ts'
import { storeInformers } from '../../registry/store-informers.ts'
import { memoryStore } from '../../registry/testing/memory-store.ts'
import { schemaTypeSystem } from '../../registry/type-system.ts'
import { loadBuiltinSchemas } from '../../schema/graph.ts'
import type { Controller } from '../controller.ts'
import { runControllers } from '../runner.ts'
import { createKubelets, type Kubelets } from './kubelets.ts'

export interface RecordedEvent {
  about: ObjectReference
  type: string
  reason: string
  message: string
}

/** A whole cluster in memory on virtual time: a real API over a store of one node, controllers, and kubelets that pretend. */
export interface TestCluster {
  client: Client
  informers: Informers
  catalogue: Catalogue
  clock: VirtualClock
  kubelets: Kubelets
  events: RecordedEvent[]
  /** Failed reconciles, as the runner logs them. */
  failures: string[]
  /** Writes so far: two equal readings mean that nobody wrote. */
  version(): bigint
  get<T extends KubeObject>(ref: GroupResource, name: string, namespace?: string): T | undefined
  list<T extends KubeObject>(ref: GroupResource, namespace?: string): T[]
  create<T extends KubeObject>(ref: GroupResource, object: object): Promise<T>
  change<T extends KubeObject>(
    ref: GroupResource,
    name: string,
    change: (object: T) => void,
    subresource?: string,
  ): Promise<void>
  /** Another leader: the controllers end, and new ones begin that know nothing. */
  newTerm(): Promise<void>
  addNode(name: string, change?: (node: Node) => void): Promise<void>
  /** Lets time pass; everything that becomes due runs. Default 5 s. */
  pass(ms?: number): Promise<void>
  stop(): Promise<void>
}

const graph = loadBuiltinSchemas()
const definitions = builtinResources(graph)

const everything = { verdict: 'allow' as const, reason: '' }

export interface TestClusterOptions {
  controllers(cluster: TestCluster): readonly Controller[]
  seed?: number
  /** What the controllers see, when it is not the present state. */
  seenBy?(informers: Informers): Informers
  admission?: readonly AdmissionPlugin[]
}

export async function startCluster(options: TestClusterOptions): Promise<TestCluster> {
  const store = memoryStore()
  const clock = new VirtualClock()
  const catalogue = createCatalogue(definitions)
  const informers = storeInformers(store)
  const random = seededRandom(options.seed ?? 1)
  const registry = createRegistry({
    store,
    catalogue,
    types: schemaTypeSystem(graph),
    admission: createAdmissionChain([
      namespaceLifecycle(informers.for<Namespace>(refs.namespaces), clock),
      defaultTolerationSeconds(),
      storageObjectInUseProtection,
      defaultStorageClass(informers.for<StorageClass>(refs.storageClasses)),
      ...(options.admission ?? []),
    ]),
    authorize: () => everything,
    clock,
    random,
    log: silentLogger,
  })
  const client = inProcessClient(registry, { username: 'system:admin', groups: ['system:masters'] })
  const guarded = limitPerInstant(client, () => clock.nowMs())
  const events: RecordedEvent[] = []
  const failures: string[] = []
  let abort: AbortController
  let running: Promise<void>
  const logger = {
    ...silentLogger,
    child: () => logger,
    warn: (fields: object) => void failures.push(JSON.stringify(fields)),
  }
  const kubelets = createKubelets({ client, informers, clock })
  const cluster: TestCluster = {
    client,
    informers,
    catalogue,
    clock,
    kubelets,
    events,
    failures,
    version: () => store.currentVersion(),
    get: (ref, name, namespace = 'default') => {
      const namespaced = catalogue.preferred(ref)?.namespaced ?? true
      return informers.for<never>(ref).get(namespaced ? namespace : '', name)
    },
    list: (ref, namespace) => informers.for<never>(ref).list(namespace),
    create: async (ref, object) => {
      const whole = structuredClone(object) as KubeObject
      whole.metadata ??= {}
      if (catalogue.preferred(ref)?.namespaced) whole.metadata.namespace ??= 'default'
      return client.create(ref, whole) as Promise<never>
    },
    change: async (ref, name, change, subresource) => {
      const namespace = catalogue.preferred(ref)?.namespaced ? 'default' : ''
      await client.mutate<never>(
        ref,
        namespace,
        name,
        (object) => {
          change(object)
          return object
        },
        subresource ? { subresource } : {},
      )
    },
    async addNode(name, change) {
      const node: Node = {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels: { 'kubernetes.io/hostname': name } },
      }
      change?.(node)
      await client.create(refs.nodes, node)
      await kubelets.report(name)
    },
    pass: (ms = 5000) => clock.pass(ms),
    async newTerm() {
      abort.abort()
      await running
      lead()
    },
    async stop() {
      abort.abort()
      kubelets.stop()
      await running
    },
  }
  await client.create<Namespace>(refs.namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'default' },
  })
  const recorder = {
    event: (about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string) =>
      void events.push({ about, type, reason, message }),
  }
  const seen = options.seenBy?.(informers) ?? informers
  const lead = (): void => {
    abort = new AbortController()
    running = runControllers(
      options.controllers(cluster),
      { client: guarded, informers: seen, clock, events: () => recorder, logger },
      abort.signal,
    )
  }
  lead()
  return cluster
}

export const podNames = (pods: readonly Pod[]): string[] => pods.map((pod) => pod.metadata.name!).toSorted()

/** Writes of the controllers at one instant; more is a loop that feeds itself. */
const maxWritesPerInstant = 2000

/** Without it, two controllers that undo each other would keep a test busy for ever: no time passes between them. */
function limitPerInstant(client: Client, nowMs: () => number): Client {
  let atMs = 0
  let writes = 0
  const counted =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (nowMs() !== atMs) {
        atMs = nowMs()
        writes = 0
      }
      if (++writes > maxWritesPerInstant)
        throw new Error(`too many writes at one instant: ${JSON.stringify(args.slice(0, 3))}`)
      return call(...args)
    }
  return {
    ...client,
    create: counted(client.create),
    mutate: counted(client.mutate),
    delete: counted(client.delete),
  } as Client
}
