import fc from 'fast-check'
import { expect } from 'vitest'
import type { CertificateAuthority } from '../../pki/certificate-authority.ts'
import { type PerturbedInformers, perturbedInformers } from '../../client/perturbed-informers.ts'
import { type MemoryProvider, memoryProvider } from '../cloud/testing/memory-provider.ts'
import type { Controller, View } from '../controller.ts'
import { defaultControllers } from '../default-controllers.ts'
import { collectedResources } from '../resources.ts'
import { startCluster, type TestCluster } from './cluster.ts'

/** A cluster under all of the controllers, and what they learn of besides its objects. */
export interface World {
  readonly cluster: TestCluster
  readonly cloud: MemoryProvider
  /** What every pod uses. */
  cpuMilli: number
  /** Nodes that the mesh does not reach. */
  lose(node: string): void
  regain(node: string): Promise<void>
}

/** Something that may happen. */
interface Step {
  take(world: World): Promise<unknown>
}

/** When a run fails, what happened in it is printed in words. */
const stepOf = (says: string, take: (world: World) => Promise<unknown>): Step =>
  ({ take, [fc.toStringMethod]: () => says }) as Step

/** What some controllers are there for: a beginning, what may happen, and what holds whatever happened. */
export interface Scenario {
  /** By name. */
  readonly controllers: readonly string[]
  /** Others that they cannot do without. */
  readonly with?: readonly string[]
  prepare(world: World): Promise<void>
  readonly step: fc.Arbitrary<Step>
  /** Ends what would go on for ever, such as schedules. */
  quieten?(world: World): Promise<unknown>
  /** Some of its work is done by threads, which virtual time does not wait for. */
  readonly hasThreads?: boolean
  /** How long the longest of its waits is. Default three minutes. */
  readonly settleMs?: number
  expectOrder(world: World): void
}

/** A name that is taken, or an object that is gone, is no matter of these tests. */
export const attempt = (work: Promise<unknown>): Promise<unknown> => work.catch(() => undefined)

/** Steps of one kind, each made of a value. */
export const steps = <T>(values: fc.Arbitrary<T>, says: string, take: (world: World, value: T) => Promise<unknown>) =>
  values.map((value) => stepOf(`${says} ${JSON.stringify(value)}`, (world) => attempt(take(world, value))))

export const node = fc.constantFrom('one', 'two', 'three')
export const isOn = fc.boolean()
export const index = fc.nat(2)

/** What happens to controllers' view of the world, and time. */
const viewStep = (seen: () => PerturbedInformers): fc.Arbitrary<Step> =>
  fc.oneof(
    fc
      .constantFrom('freeze' as const, 'thaw' as const, 'mark' as const, 'travelBack' as const)
      .map((says) => stepOf(says, async () => seen()[says]())),
    fc.constantFrom(100, 1500, 8000).map((ms) => stepOf(`pass ${ms}`, ({ cluster }) => cluster.pass(ms))),
    fc.constant(stepOf('another leader', ({ cluster }) => cluster.newTerm())),
  )

/** Of one controller in one run. */
interface Work {
  plans: number
  actions: number
  keys: number
}

/** The same happenings each time, but where chance is asked for. */
const isSampled = process.env['STORMO_TEST_ALL'] === undefined
/** Plans of a controller for each write of anybody, or each key at a new term: more is work that feeds itself. */
const maxPlansPerCause = 40
/** Shortest wait of a controller that looks again without a cause. */
const minPollMs = 5000
const restMs = 60_000
/** Below the tests' own limit. */
const maxCheckMs = 45_000
/** Time for keys to be made and checked: real, and more than a busy machine needs. */
const threadRounds = 10
const threadRoundMs = 20

/**
 * Whatever happens and however late, twice or never it is seen: the scenario's order is reached (convergence); then
 * nothing is written any more, and a new leader that looks at everything writes nothing either (idempotence); all of it
 * with a number of plans in proportion to what was written (bounded work).
 */
export async function checkScenario(
  scenario: Scenario,
  authority: CertificateAuthority,
  numRuns: number,
): Promise<void> {
  let seen: PerturbedInformers | undefined
  const happenings = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: scenario.step },
      viewStep(() => seen!),
    ),
    {
      minLength: 8,
      maxLength: 24,
    },
  )
  await fc.assert(
    fc.asyncProperty(happenings, fc.nat(1000), async (happens, seed) => {
      await run(scenario, authority, seed, happens, (informers) => (seen = informers))
    }),
    // In time for the test to tell of the shortest failure that was found by then.
    { numRuns, interruptAfterTimeLimit: maxCheckMs, ...(isSampled ? { seed: 1 } : {}) },
  )
}

const sampleSize = 160

/** One long run that is always the same. Answers with the scenario's controllers that had nothing to do in it. */
export async function findIdle(scenario: Scenario, authority: CertificateAuthority): Promise<string[]> {
  const work = await run(scenario, authority, 1, sampleOf(scenario, sampleSize), () => undefined)
  return scenario.controllers.filter((name) => !((work.get(name)?.actions ?? 0) > 0))
}

/** The first happenings of all runs that are always the same, with a pause after each. */
const sampleOf = ({ step }: Scenario, size: number): Step[] =>
  fc
    .sample(step, { seed: 1, numRuns: size })
    .flatMap((one) => [one, stepOf('pass', ({ cluster }) => cluster.pass(1500))])

/** What a view may do to a controller (Sieve's three). A new leader looks at everything as that view shows it. */
const perturbations = {
  'stale state': ['freeze', 'go on', 'lead', 'thaw'],
  'states never seen': ['freeze', 'go on', 'thaw', 'lead'],
  'time travel': ['mark', 'go on', 'travelBack', 'lead', 'thaw'],
} as const
export type Perturbation = keyof typeof perturbations
export const allPerturbations = Object.keys(perturbations) as Perturbation[]

const leadInSize = 16
const perturbedSize = 20

/** Checks one perturbation in the midst of a run that is always the same, as {@link checkScenario} does. */
export async function checkPerturbation(
  scenario: Scenario,
  authority: CertificateAuthority,
  perturbation: Perturbation,
): Promise<void> {
  let seen: PerturbedInformers | undefined
  const sample = sampleOf(scenario, leadInSize + perturbedSize)
  const meanwhile = sample.splice(2 * leadInSize)
  const happens = perturbations[perturbation].flatMap((one): Step[] => {
    if (one === 'go on') return meanwhile
    if (one !== 'lead') return [stepOf(one, async () => seen![one]())]
    return [stepOf(one, ({ cluster }) => cluster.newTerm()), stepOf('pass', ({ cluster }) => cluster.pass(1500))]
  })
  await run(scenario, authority, 1, [...sample, ...happens], (informers) => (seen = informers))
}

async function run(
  scenario: Scenario,
  authority: CertificateAuthority,
  seed: number,
  happens: readonly Step[],
  onSeen: (informers: PerturbedInformers) => void,
): Promise<ReadonlyMap<string, Work>> {
  const work = new Map<string, Work>()
  let seen: PerturbedInformers | undefined
  const world = await startWorld(scenario, authority, seed, work, (informers) => onSeen((seen = informers)))
  const { cluster } = world
  try {
    await scenario.prepare(world)
    for (const one of happens) await one.take(world)
    seen!.thaw()
    await scenario.quieten?.(world)
    await settle(world, scenario)
    // Counted from the first object on, preparation included.
    for (const [name, { plans, keys }] of work) {
      const causes = Number(cluster.version()) + (keys + 1) * happens.length
      expect(plans, `plans of ${name}`).toBeLessThanOrEqual(causes * maxPlansPerCause)
    }
    await expectRest(world, work, restMs)
    await cluster.newTerm()
    await expectRest(world, work, 2 * minPollMs)
  } finally {
    await cluster.stop()
  }
  return work
}

async function settle(world: World, { settleMs = 180_000, expectOrder, hasThreads }: Scenario): Promise<void> {
  await world.cluster.pass(settleMs)
  if (hasThreads) {
    for (let round = 0; round < threadRounds; round++) {
      await new Promise<void>((resolve) => setTimeout(resolve, threadRoundMs))
      await world.cluster.pass(1000)
    }
  }
  expectOrder(world)
}

async function expectRest({ cluster }: World, work: Map<string, Work>, ms: number): Promise<void> {
  const before = cluster.version()
  for (const one of work.values()) one.plans = 0
  await cluster.pass(ms)
  expect(cluster.version(), 'nothing is written at rest').toBe(before)
  for (const [name, { plans, keys }] of work)
    expect(plans, `plans of ${name} at rest`).toBeLessThanOrEqual((keys + 1) * (ms / minPollMs + 2))
}

async function startWorld(
  scenario: Scenario,
  authority: CertificateAuthority,
  seed: number,
  work: Map<string, Work>,
  onSeen: (informers: PerturbedInformers) => void,
): Promise<World> {
  const names = new Set([...scenario.controllers, ...(scenario.with ?? [])])
  const cloud = memoryProvider()
  const lost = new Map<string, number>()
  const listeners = new Set<(node: string) => void>()
  const tell = (node: string): void => listeners.forEach((listener) => listener(node))
  const cluster: TestCluster = await startCluster({
    seed,
    controllers: ({ catalogue, clock }) =>
      defaultControllers({
        caPem: 'PEM',
        resources: () => collectedResources(catalogue.all()),
        onResources: (handler) => catalogue.onChange(handler),
        isAlive: (name) => !lost.has(name),
        onLiveness(handler) {
          listeners.add(handler)
          return () => void listeners.delete(handler)
        },
        leaseAgeMs: (name) => clock.monotonicMs() - (lost.get(name) ?? Infinity),
        usage: () => ({ main: { cpu: world.cpuMilli } }),
        authority,
        authorize: () => ({ verdict: 'allow', reason: '' }),
        issueSecretToken: async ({ secret }) => `token-of-${secret}`,
        connectProvider: () => cloud,
      })
        .filter(({ name }) => names.has(name))
        .map((one) => counted(one, work)),
    seenBy(informers) {
      const perturbed = perturbedInformers(informers)
      onSeen(perturbed)
      return perturbed
    },
  })
  const world: World = {
    cluster,
    cloud,
    cpuMilli: 50,
    lose(name) {
      lost.set(name, cluster.clock.monotonicMs())
      cluster.kubelets.lose(name)
      tell(name)
    },
    async regain(name) {
      lost.delete(name)
      await cluster.kubelets.regain(name)
      tell(name)
    },
  }
  for (const name of ['kube-system', 'kube-public']) await cluster.create(namespaces, { metadata: { name } })
  for (const name of ['one', 'two', 'three']) await cluster.addNode(name)
  return world
}

const namespaces = { group: '', resource: 'namespaces' }

function counted(controller: Controller, work: Map<string, Work>): Controller {
  const mine = work.get(controller.name) ?? { plans: 0, actions: 0, keys: 0 }
  work.set(controller.name, mine)
  const seen = new Set<string>()
  return {
    ...controller,
    plan(key: string, view: View, nowMs: number) {
      mine.plans++
      seen.add(key)
      mine.keys = Math.max(mine.keys, seen.size)
      const plan = controller.plan(key, view, nowMs)
      mine.actions += plan.actions.length
      return plan
    },
  }
}
