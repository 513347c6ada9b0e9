import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DaemonSet, Deployment, Job, Pod, StatefulSet } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { cronJobController } from './reconcile/cron-job/cron-job.ts'
import { daemonSetController } from './reconcile/daemon-set/daemon-set.ts'
import { deploymentController } from './reconcile/deployment.ts'
import { jobController } from './reconcile/job/job.ts'
import { replicaSetController } from './reconcile/replica-set.ts'
import { statefulSetController } from './reconcile/stateful-set/stateful-set.ts'
import { startCluster, type TestCluster } from './testing/cluster.ts'
import { job, template, workload } from './testing/objects.ts'
import { type PerturbedInformers, perturbedInformers } from '../client/perturbed-informers.ts'

const nodes = ['one', 'two', 'three']
const imageOf = (pod: Pod): string | undefined => pod.spec?.containers?.[0]?.image
const of = (pods: readonly Pod[], app: string): Pod[] => pods.filter((pod) => pod.metadata.labels?.['app'] === app)
const named = (app: string, spec: object = {}) => {
  const labels = { app }
  return workload({ selector: { matchLabels: labels }, template: template('v0', {}, labels), ...spec }, app)
}

type Step =
  | { do: 'scale' | 'image'; kind: 'deploy' | 'sts'; value: number }
  | { do: 'daemonImage'; value: number }
  | { do: 'deletePod'; value: number }
  | { do: 'pass'; ms: number }
  | { do: 'freeze' | 'thaw' | 'mark' | 'travelBack' }

const kind = fc.constantFrom('deploy' as const, 'sts' as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('scale' as const), kind, value: fc.integer({ min: 0, max: 4 }) }),
  fc.record({ do: fc.constant('image' as const), kind, value: fc.nat(3) }),
  fc.record({ do: fc.constant('daemonImage' as const), value: fc.nat(3) }),
  fc.record({ do: fc.constant('deletePod' as const), value: fc.nat(20) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 100, max: 8000 }) }),
  fc
    .constantFrom('freeze' as const, 'thaw' as const, 'mark' as const, 'travelBack' as const)
    .map((one) => ({ do: one })),
)

async function take(cluster: TestCluster, seen: PerturbedInformers, one: Step): Promise<void> {
  const setImage = (object: Deployment | StatefulSet | DaemonSet, image: string): void => {
    object.spec!.template.spec!.containers![0]!.image = image
  }
  switch (one.do) {
    case 'scale':
    case 'image':
      return cluster.change<Deployment>(
        one.kind === 'deploy' ? refs.deployments : refs.statefulSets,
        one.kind,
        (object) => {
          if (one.do === 'scale') object.spec!.replicas = one.value
          else setImage(object, `v${one.value}`)
        },
      )
    case 'daemonImage':
      return cluster.change<DaemonSet>(refs.daemonSets, 'ds', (object) => setImage(object, `v${one.value}`))
    case 'deletePod': {
      const pods = cluster.list<Pod>(refs.pods)
      const name = pods[one.value % Math.max(1, pods.length)]?.metadata.name
      if (name) await cluster.client.delete(refs.pods, 'default', name)
      return
    }
    case 'pass':
      return cluster.pass(one.ms)
    default:
      return seen[one.do]()
  }
}

test('whatever was seen late, never, or twice: the declared state is reached, exactly, and then nothing is written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), fc.nat(1000), async (steps, seed) => {
      let seen: PerturbedInformers | undefined
      const cluster = await startCluster({
        seed,
        controllers: () => [
          deploymentController,
          replicaSetController,
          statefulSetController(() => false),
          daemonSetController,
          jobController,
          cronJobController,
        ],
        seenBy: (informers) => (seen = perturbedInformers(informers)),
      })
      try {
        for (const name of nodes) await cluster.addNode(name)
        cluster.kubelets.fate((pod) => (pod.metadata.labels?.['app'] === 'work' ? 'succeeded' : 'ready'))
        await cluster.create(refs.deployments, named('deploy', { replicas: 2 }))
        await cluster.create(refs.statefulSets, named('sts', { replicas: 2, serviceName: 'sts' }))
        await cluster.create(refs.daemonSets, named('ds'))
        await cluster.create(
          refs.jobs,
          job({
            completions: 4,
            parallelism: 2,
            backoffLimit: 100,
            template: template('x', { restartPolicy: 'Never' }, { app: 'work' }),
          }),
        )
        await cluster.pass(3000)
        for (const one of steps) await take(cluster, seen!, one)
        seen!.thaw()
        // Longest wait: the back-off of a key that failed meanwhile, and of the job's pods that were deleted.
        await cluster.pass(180_000)
        expectDeclared(cluster)
        const before = cluster.version()
        await cluster.pass(30_000)
        expect(cluster.version()).toBe(before)
      } finally {
        await cluster.stop()
      }
    }),
    { numRuns: 12 },
  )
})

function expectDeclared(cluster: TestCluster): void {
  const pods = cluster.list<Pod>(refs.pods)
  const deploy = cluster.get<Deployment>(refs.deployments, 'deploy')!.spec!
  expect(of(pods, 'deploy').map(imageOf)).toEqual(
    Array(deploy.replicas!).fill(imageOf({ spec: deploy.template.spec } as Pod)),
  )
  const sts = cluster.get<StatefulSet>(refs.statefulSets, 'sts')!.spec!
  expect(of(pods, 'sts').map((pod) => [pod.metadata.name, imageOf(pod)])).toEqual(
    Array.from({ length: sts.replicas! }, (_, index) => [`sts-${index}`, imageOf({ spec: sts.template.spec } as Pod)]),
  )
  const daemons = cluster.get<DaemonSet>(refs.daemonSets, 'ds')!.spec!
  expect(
    of(pods, 'ds')
      .map((pod) => pod.spec!.nodeName)
      .toSorted(),
  ).toEqual(nodes.toSorted())
  expect(new Set(of(pods, 'ds').map(imageOf))).toEqual(new Set([imageOf({ spec: daemons.template.spec } as Pod)]))
  const { status } = cluster.get<Job>(refs.jobs, 'work')!
  expect(status?.conditions?.map((one) => one.type)).toContain('Complete')
  expect(status?.succeeded).toBeGreaterThanOrEqual(4)
}
