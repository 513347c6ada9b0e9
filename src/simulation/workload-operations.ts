import type { Deployment, Pod, Service, StatefulSet } from '../api/kinds.ts'
import type { GroupResource, KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import type { ScenarioNode } from './scenario-node.ts'
import type { WorkloadOperation } from './workload-plan.ts'

const kinds = 2
const replicaLimit = 4
const setLimit = 3

type Workload = Deployment | StatefulSet

/**
 * Does through a node what a user does with kubectl. Rejects when the API refuses: users are told no, and what they are
 * told is not judged here.
 */
export async function operateWorkload(node: ScenarioNode, planned: WorkloadOperation, id: string): Promise<void> {
  const { a, b } = planned
  const [web, db] = [`web-${a % kinds}`, `db-${a % kinds}`]
  switch (planned.operation) {
    case 'deploy':
      return create(node, refs.deployments, deployment(web, 1 + (b % replicaLimit)))
    case 'set-up':
      return create(node, refs.statefulSets, statefulSet(db, 1 + (b % setLimit)))
    case 'scale-deployment':
      return alter<Deployment>(node, refs.deployments, web, ({ spec }) => ({ ...spec!, replicas: b % replicaLimit }))
    case 'scale-stateful-set':
      return alter<StatefulSet>(node, refs.statefulSets, db, ({ spec }) => ({ ...spec!, replicas: b % (setLimit + 1) }))
    case 'roll-deployment':
      return alter<Deployment>(node, refs.deployments, web, rolled(id))
    case 'roll-stateful-set':
      return alter<StatefulSet>(node, refs.statefulSets, db, rolled(id))
    case 'expose':
      return create(node, refs.services, service(`service-${id}`, b % 2 === 0 ? web : db, a % 3 === 0))
    case 'withdraw':
      return removeSome<Service>(node, refs.services, a, ({ metadata }) => metadata.name!.startsWith('service-'))
    case 'run-job':
      return create(node, { group: 'batch', resource: 'jobs' }, job(`job-${id}`, 1 + (b % 2)))
    case 'delete-deployment':
      return node.client.delete(refs.deployments, 'default', web, { propagationPolicy: 'Background' })
    case 'delete-stateful-set':
      return node.client.delete(refs.statefulSets, 'default', db, { propagationPolicy: 'Background' })
    case 'delete-pod':
      return removeSome<Pod>(node, refs.pods, a, () => true)
  }
}

async function create({ client }: ScenarioNode, ref: GroupResource, object: KubeObject): Promise<void> {
  await client.create(ref, object)
}

async function alter<T extends Workload>(
  { client }: ScenarioNode,
  ref: GroupResource,
  name: string,
  specOf: (current: T) => T['spec'],
): Promise<void> {
  await client.mutate<T>(ref, 'default', name, (current) => ({ ...current, spec: specOf(current) }))
}

async function removeSome<T extends KubeObject>(
  { client, informers }: ScenarioNode,
  ref: GroupResource,
  choice: number,
  isMeant: (object: T) => boolean,
): Promise<void> {
  const objects = informers.for<T>(ref).list('default').filter(isMeant)
  const name = objects[choice % Math.max(1, objects.length)]?.metadata.name
  if (name !== undefined) await client.delete(ref, 'default', name)
}

const rolled =
  (id: string) =>
  <T extends Workload>({ spec }: T): T['spec'] => ({
    ...spec!,
    template: template(spec!.template.metadata!.labels!, id),
  })

const template = (labels: Record<string, string>, image: string) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'a', image: `a:${image}` }], terminationGracePeriodSeconds: 5 },
})

const metadata = (name: string) => ({ name, namespace: 'default' })

const deployment = (name: string, replicas: number): KubeObject =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(name),
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template({ app: name }, '1') },
  }) as KubeObject

const statefulSet = (name: string, replicas: number): KubeObject =>
  ({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata(name),
    spec: {
      serviceName: name,
      replicas,
      selector: { matchLabels: { app: name } },
      template: template({ app: name }, '1'),
    },
  }) as KubeObject

const service = (name: string, app: string, hasNodePort: boolean): KubeObject =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name),
    spec: { type: hasNodePort ? 'NodePort' : 'ClusterIP', selector: { app }, ports: [{ port: 80 }] },
  }) as KubeObject

const job = (name: string, completions: number): KubeObject =>
  ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadata(name),
    spec: {
      completions,
      backoffLimit: 20,
      template: { spec: { ...template({}, '1').spec, restartPolicy: 'Never' } },
    },
  }) as KubeObject
