import fc from 'fast-check'
import { expect } from 'vitest'
import type { DaemonSet, Deployment, Job, Pod, ReplicationController, StatefulSet } from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import { job, template, workload } from '../objects.ts'
import { index, isOn, node, type Scenario, steps, type World } from '../scenario.ts'

const imageOf = (pod: Pod): string | undefined => pod.spec?.containers?.[0]?.image
const setImage = (object: Deployment | StatefulSet | DaemonSet, image: string): void => {
  object.spec!.template.spec!.containers![0]!.image = image
}
const podsOf = ({ cluster }: World, app: string): Pod[] =>
  cluster.list<Pod>(refs.pods).filter((pod) => pod.metadata.labels?.['app'] === app)
const named = (app: string, spec: object = {}) => {
  const labels = { app }
  return workload({ selector: { matchLabels: labels }, template: template('v0', {}, labels), ...spec }, app)
}

const sized = fc.constantFrom(
  { ref: refs.deployments, name: 'deploy' },
  { ref: refs.statefulSets, name: 'sts' },
  { ref: refs.replicationControllers, name: 'rc' },
)
const templated = fc.constantFrom(
  { ref: refs.deployments, name: 'deploy' },
  { ref: refs.statefulSets, name: 'sts' },
  { ref: refs.daemonSets, name: 'ds' },
)

/** Workloads have exactly the pods that they declare, of the last template. */
export const workloadScenario: Scenario = {
  controllers: ['deployment', 'replicaset', 'replicationcontroller', 'statefulset', 'daemonset', 'job'],
  async prepare({ cluster }) {
    cluster.kubelets.fate((pod) => (pod.metadata.labels?.['app'] === 'work' ? 'succeeded' : 'ready'))
    await cluster.create(refs.deployments, named('deploy', { replicas: 2 }))
    await cluster.create(refs.statefulSets, named('sts', { replicas: 2, serviceName: 'sts' }))
    await cluster.create(refs.daemonSets, named('ds'))
    await cluster.create(refs.replicationControllers, named('rc', { replicas: 1, selector: { app: 'rc' } }))
    const whole = template('x', { restartPolicy: 'Never' }, { app: 'work' })
    await cluster.create(refs.jobs, job({ completions: 4, parallelism: 2, backoffLimit: 100, template: whole }))
    await cluster.pass(3000)
  },
  step: fc.oneof(
    steps(fc.record({ of: sized, replicas: fc.nat(4) }), 'scale', ({ cluster }, { of, replicas }) =>
      cluster.change<Deployment>(of.ref, of.name, (object) => void (object.spec!.replicas = replicas)),
    ),
    steps(fc.record({ of: templated, version: fc.nat(3) }), 'image', ({ cluster }, { of, version }) =>
      cluster.change<Deployment>(of.ref, of.name, (object) => setImage(object, `v${version}`)),
    ),
    steps(fc.nat(20), 'delete pod', async ({ cluster }, number) => {
      const pods = cluster.list<Pod>(refs.pods)
      await cluster.client.delete(refs.pods, 'default', pods[number % pods.length]!.metadata.name!)
    }),
  ),
  expectOrder(world) {
    const { cluster } = world
    const deploy = cluster.get<Deployment>(refs.deployments, 'deploy')!.spec!
    const image = imageOf({ spec: deploy.template.spec } as Pod)
    expect(podsOf(world, 'deploy').map(imageOf)).toEqual(Array(deploy.replicas!).fill(image))
    const sts = cluster.get<StatefulSet>(refs.statefulSets, 'sts')!.spec!
    expect(podsOf(world, 'sts').map((pod) => [pod.metadata.name, imageOf(pod)])).toEqual(
      Array.from({ length: sts.replicas! }, (_, number) => [
        `sts-${number}`,
        imageOf({ spec: sts.template.spec } as Pod),
      ]),
    )
    const daemons = podsOf(world, 'ds')
    expect(daemons.map((pod) => pod.spec!.nodeName).toSorted()).toEqual(['one', 'three', 'two'])
    const daemonImage = imageOf({
      spec: cluster.get<DaemonSet>(refs.daemonSets, 'ds')!.spec!.template.spec,
    } as Pod)
    expect(new Set(daemons.map(imageOf))).toEqual(new Set([daemonImage]))
    const rc = cluster.get<ReplicationController>(refs.replicationControllers, 'rc')!
    expect(podsOf(world, 'rc')).toHaveLength(rc.spec!.replicas!)
    expect(rc.status!.readyReplicas ?? 0).toBe(rc.spec!.replicas!)
    const { status } = cluster.get<Job>(refs.jobs, 'work')!
    expect(status?.conditions?.map((one) => one.type)).toContain('Complete')
    expect(status?.succeeded).toBeGreaterThanOrEqual(4)
  },
}

/** Schedules make jobs and keep the latest of them; jobs go when their time is over, and nothing waits to be counted. */
export const batchScenario: Scenario = {
  controllers: ['cronjob', 'ttl-after-finished', 'job-orphan-pods', 'job'],
  with: ['garbage-collector'],
  async prepare({ cluster }) {
    cluster.kubelets.fate(() => 'succeeded')
    for (const number of [0, 1])
      await cluster.create(refs.cronJobs, {
        metadata: { name: `cron-${number}` },
        spec: {
          schedule: '* * * * *',
          concurrencyPolicy: number === 0 ? 'Forbid' : 'Allow',
          successfulJobsHistoryLimit: 1,
          jobTemplate: { spec: job().spec },
        },
      })
  },
  step: fc.oneof(
    steps(fc.constantFrom(30_000, 70_000), 'wait', ({ cluster }, ms) => cluster.pass(ms)),
    steps(fc.record({ number: fc.nat(1), suspend: isOn }), 'suspend', ({ cluster }, { number, suspend }) =>
      cluster.change(refs.cronJobs, `cron-${number}`, (one) => void Object.assign((one as Job).spec!, { suspend })),
    ),
    steps(fc.record({ number: index, ttl: fc.constantFrom(0, 20) }), 'job', ({ cluster }, { number, ttl }) =>
      cluster.create(refs.jobs, job({ ttlSecondsAfterFinished: ttl }, `once-${number}`)),
    ),
    steps(index, 'delete job', async ({ cluster }, number) => {
      const jobs = cluster.list<Job>(refs.jobs)
      const name = jobs[number % jobs.length]!.metadata.name!
      await cluster.client.delete(refs.jobs, 'default', name, { propagationPolicy: 'Orphan' })
    }),
  ),
  async quieten({ cluster }) {
    for (const number of [0, 1])
      await cluster.change(refs.cronJobs, `cron-${number}`, (one) => {
        Object.assign((one as Job).spec!, { suspend: true })
      })
  },
  expectOrder({ cluster }) {
    const jobs = cluster.list<Job>(refs.jobs)
    for (const number of [0, 1]) {
      const mine = jobs.filter(({ metadata }) => metadata.name!.startsWith(`cron-${number}-`))
      expect(mine.length).toBeLessThanOrEqual(1)
      expect(
        cluster.get<{ status: { active?: object[] } } & Job>(refs.cronJobs, `cron-${number}`)!.status.active ?? [],
      ).toEqual([])
    }
    expect(jobs.filter(({ metadata }) => metadata.name!.startsWith('once-'))).toEqual([])
    const waiting = cluster.list<Pod>(refs.pods).filter(({ metadata }) => metadata.finalizers?.length)
    expect(waiting).toEqual([])
  },
}

/** Workloads are as large as what their pods use, within their bounds. */
export const autoscalingScenario: Scenario = {
  controllers: ['horizontalpodautoscaler'],
  with: ['deployment', 'replicaset'],
  settleMs: 900_000,
  async prepare({ cluster }) {
    const spec = { containers: [{ name: 'main', image: 'x', resources: { requests: { cpu: '100m' } } }] }
    await cluster.create(refs.deployments, workload({ replicas: 2, template: template('x', spec) }))
    await cluster.create(refs.horizontalPodAutoscalers, {
      metadata: { name: 'web' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas: 2,
        maxReplicas: 5,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        ],
      },
    })
  },
  step: fc.oneof(
    steps(fc.constantFrom(1, 50, 100), 'use', async (world, milli) => void (world.cpuMilli = milli)),
    steps(fc.constantFrom(20_000, 200_000), 'wait', ({ cluster }, ms) => cluster.pass(ms)),
    steps(fc.integer({ min: 1, max: 6 }), 'replicas', ({ cluster }, replicas) =>
      cluster.change<Deployment>(refs.deployments, 'web', (one) => void (one.spec!.replicas = replicas)),
    ),
    steps(fc.integer({ min: 3, max: 6 }), 'at most', ({ cluster }, max) =>
      cluster.change(refs.horizontalPodAutoscalers, 'web', (one) => {
        Object.assign((one as Deployment).spec!, { maxReplicas: max })
      }),
    ),
  ),
  expectOrder({ cluster, cpuMilli }) {
    const { minReplicas = 0, maxReplicas = 0 } = cluster.get(refs.horizontalPodAutoscalers, 'web')![
      'spec' as never
    ] as {
      minReplicas?: number
      maxReplicas?: number
    }
    const replicas = cluster.get<Deployment>(refs.deployments, 'web')!.spec!.replicas!
    expect(replicas).toBeGreaterThanOrEqual(cpuMilli === 100 ? maxReplicas : minReplicas)
    expect(replicas).toBeLessThanOrEqual(cpuMilli === 1 ? minReplicas : maxReplicas)
  },
}

/** Pods of nodes that are gone are gone, as are those that were deleted before they had one. */
export const podScenario: Scenario = {
  controllers: ['pod-garbage-collector', 'node-lifecycle'],
  prepare: async () => undefined,
  step: fc.oneof(
    steps(fc.record({ number: fc.nat(6), nodeName: node }), 'pod', ({ cluster }, { number, nodeName }) =>
      cluster.create(refs.pods, { metadata: { name: `pod-${number}` }, spec: { ...template().spec, nodeName } }),
    ),
    steps(fc.nat(6), 'unschedulable pod', ({ cluster }, number) =>
      cluster.create(refs.pods, {
        metadata: { name: `pod-${number}` },
        spec: { ...template().spec, nodeSelector: { no: 'where' } },
      }),
    ),
    steps(fc.nat(6), 'delete pod', ({ cluster }, number) =>
      cluster.client.delete(refs.pods, 'default', `pod-${number}`),
    ),
    steps(node, 'lose node', async (world, name) => world.lose(name)),
    steps(node, 'regain node', async (world, name) => {
      await world.cluster.addNode(name).catch(() => undefined)
      await world.regain(name)
    }),
    steps(node, 'delete node', async (world, name) => {
      world.lose(name)
      await world.cluster.client.delete(refs.nodes, '', name)
    }),
  ),
  settleMs: 900_000,
  async quieten(world) {
    // One is left to lead by.
    await world.cluster.addNode('four')
  },
  expectOrder({ cluster }) {
    const nodes = new Set(cluster.list(refs.nodes).map(({ metadata }) => metadata.name))
    for (const pod of cluster.list<Pod>(refs.pods)) {
      if (pod.spec?.nodeName) expect(nodes).toContain(pod.spec.nodeName)
      else expect(pod.metadata.deletionTimestamp).toBeUndefined()
    }
  },
}
