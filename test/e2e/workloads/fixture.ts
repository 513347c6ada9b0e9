import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ObjectMeta, Pod } from '../../../src/api/kinds.ts'
import { type Api, type ApiAnswer, apiOf, patchTypes } from '../../conformance/api.ts'
import { eventually, type Output, run, stormo, stormoOk } from '../../support/cluster.ts'

// oxlint-disable-next-line no-explicit-any -- tests look into objects of every kind
export type Loose = any

/** Two machines that all the tests of this folder share. */
export interface Workbench {
  readonly nodes: readonly string[]
  readonly api: Api
  kubectl(...args: string[]): Promise<Output>
  /** A namespace of its own for one test, with all that pods need in it. */
  space(): Promise<Space>
  stop(): Promise<void>
}

const groups: Readonly<Record<string, string>> = {
  controllerrevisions: 'apis/apps/v1',
  cronjobs: 'apis/batch/v1',
  daemonsets: 'apis/apps/v1',
  deployments: 'apis/apps/v1',
  jobs: 'apis/batch/v1',
  poddisruptionbudgets: 'apis/policy/v1',
  replicasets: 'apis/apps/v1',
  statefulsets: 'apis/apps/v1',
}

export const images = ['stormo-hello:1', 'stormo-hello:2'] as const
const repository = fileURLToPath(new URL('../../..', import.meta.url))

/** STORMO_WORKLOADS_CLUSTER names a local cluster of two nodes that is there, and stays, for work on a few of the tests. */
export async function startWorkbench(name: string): Promise<Workbench> {
  const work = mkdtempSync(join(tmpdir(), 'stormo-workloads-'))
  const isLent = process.env['STORMO_WORKLOADS_CLUSTER'] === name
  if (!isLent) {
    await stormo('cluster', 'down', '--name', name)
    await stormoOk('cluster', 'up', '--nodes', '2', '--name', name)
  }
  const kubeconfig = join(work, 'kubeconfig')
  writeFileSync(kubeconfig, await stormoOk('cluster', 'kubeconfig', '--name', name))
  for (const image of images) {
    const archive = join(work, 'image.tar')
    await run(join(repository, 'examples/hello/build-image.sh'), [archive, image])
    await stormoOk('image', 'load', archive, '--name', name)
  }
  const api = await apiOf(kubeconfig)
  const kubectl = (...args: string[]): Promise<Output> => run('kubectl', args, { env: { KUBECONFIG: kubeconfig } })
  const prefix = `space-${Date.now().toString(36)}`
  let spaces = 0
  return {
    nodes: [1, 2].map((index) => `${name}-${index}`),
    api,
    kubectl,
    async space() {
      const namespace = `${prefix}-${++spaces}`
      await api.ok('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
      const account = `/api/v1/namespaces/${namespace}/serviceaccounts/default`
      await eventually(`the account of ${namespace}`, async () => (await api('GET', account)).code === 200)
      return createSpace(namespace, api, kubectl)
    },
    async stop() {
      api.close()
      if (!isLent) await stormo('cluster', 'down', '--name', name)
      rmSync(work, { recursive: true, force: true })
    },
  }
}

export type Space = ReturnType<typeof createSpace>

function createSpace(namespace: string, api: Api, kubectl: Workbench['kubectl']) {
  const path = (resource: string, name?: string): string =>
    `/${groups[resource] ?? 'api/v1'}/namespaces/${namespace}/${resource}${name === undefined ? '' : `/${name}`}`
  const space = {
    namespace,
    path,
    /** Every answer, also a refusal. */
    send: async (method: string, resource: string, name?: string, body?: object): Promise<ApiAnswer> => {
      for (;;) {
        const answer = await api(method, path(resource, name), { body })
        // As client-go: what was surely not done, and says when to come again, is asked again.
        if (answer.code !== 503 || answer.headers['retry-after'] === undefined) return answer
        await sleep(1000 * Number(answer.headers['retry-after']))
      }
    },
    create: (resource: string, object: object): Promise<Loose> => api.ok('POST', path(resource), object),
    get: (resource: string, name: string): Promise<Loose> => api.ok('GET', path(resource, name)),
    async list(resource: string, labels?: string): Promise<Loose[]> {
      return (await api.ok('GET', `${path(resource)}?labelSelector=${encodeURIComponent(labels ?? '')}`)).items
    },
    patch: (resource: string, name: string, body: object, type: keyof typeof patchTypes = 'strategic') =>
      api.ok('PATCH', path(resource, name), body, patchTypes[type]) as Promise<Loose>,
    /** Reads, changes and replaces, again for as long as somebody else was quicker. */
    async update(resource: string, name: string, change: (object: Loose) => void): Promise<Loose> {
      for (;;) {
        const object = await space.get(resource, name)
        change(object)
        const answer = await space.send('PUT', resource, name, object)
        if (answer.code === 200) return answer.body
        if (answer.code !== 409) throw new Error(`PUT ${path(resource, name)}: ${answer.bytes.toString()}`)
      }
    },
    delete: (resource: string, name: string, options?: object): Promise<Loose> =>
      api.ok('DELETE', path(resource, name), options),
    deleteCollection: (resource: string, labels: string): Promise<Loose> =>
      api.ok('DELETE', `${path(resource)}?labelSelector=${encodeURIComponent(labels)}`),
    /** The object, once it is as wanted. */
    until: (resource: string, name: string, isSo: (object: Loose) => unknown): Promise<Loose> =>
      eventually(
        `${resource}/${name} ${isSo}`,
        async () => {
          const object = await space.get(resource, name)
          if (isSo(object)) return object
          throw new Error(JSON.stringify({ spec: object.spec?.replicas, status: object.status }))
        },
        40_000,
      ),
    /** The pods that are not on their way out, once they are as wanted. */
    untilPods: (labels: string, isSo: (pods: Pod[]) => unknown): Promise<Pod[]> =>
      eventually(
        `pods ${labels} ${isSo}`,
        async () => {
          const pods = await space.pods(labels)
          if (isSo(pods)) return pods
          throw new Error(JSON.stringify(pods.map((pod) => [pod.metadata.name, pod.status])))
        },
        40_000,
      ),
    async pods(labels: string): Promise<Pod[]> {
      return (await space.list('pods', labels)).filter(({ metadata }: Pod) => metadata.deletionTimestamp === undefined)
    },
    untilGone: (resource: string, name: string): Promise<unknown> =>
      eventually(`the end of ${name}`, async () => (await space.send('GET', resource, name)).code === 404, 40_000),
    /** What a shell line in the pod prints. */
    async sh(pod: string, line: string): Promise<string> {
      const { code, stdout, stderr } = await kubectl('exec', '-n', namespace, pod, '--', 'sh', '-c', line)
      if (code !== 0) throw new Error(`${line} in ${pod}: ${stderr}`)
      return stdout.trimEnd()
    },
    remove: (): Promise<unknown> => api('DELETE', `/api/v1/namespaces/${namespace}`),
  }
  return space
}

/** Fails when something is not so at any time of a while. */
export async function holds(forMs: number, ask: () => Promise<void>): Promise<void> {
  for (const endMs = Date.now() + forMs; Date.now() < endMs; await sleep(250)) await ask()
}

export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true

export const names = (objects: readonly { metadata: ObjectMeta }[]): string[] =>
  objects.map(({ metadata }) => metadata.name!).toSorted()

/** A pod that sleeps until it is ended; the end is at once. */
export const podSpec = (line = 'sleep 100000', more: object = {}): Loose => ({
  terminationGracePeriodSeconds: 0,
  containers: [{ name: 'app', image: images[0], command: ['sh', '-c', line] }],
  ...more,
})

/** A template whose pods are ready for as long as they have /tmp/ready, which they begin with. */
export const template = (labels: Record<string, string>, more: object = {}): Loose => ({
  metadata: { labels },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'app',
        image: images[0],
        command: ['sh', '-c', 'touch /tmp/ready; exec sleep 100000'],
        readinessProbe: {
          exec: { command: ['test', '-f', '/tmp/ready'] },
          periodSeconds: 1,
          timeoutSeconds: 5,
          failureThreshold: 1,
        },
      },
    ],
    ...more,
  },
})

/** A spec of a Deployment, ReplicaSet, DaemonSet or StatefulSet. */
export const workload = (name: string, labels: Record<string, string>, spec: object = {}): Loose => ({
  metadata: { name, labels },
  spec: { selector: { matchLabels: labels }, template: template(labels), ...spec },
})

/** Writes a condition of the test's own to a status, by PUT and PATCH, and sees that controllers keep it. */
export const ownCondition = (status: string): object => ({
  type: 'StatusUpdate',
  status,
  reason: 'E2E',
  message: 'Set from e2e test',
})

/** A Deployment has all of its replicas, of the last template and available, and no others. */
export const isComplete = ({ metadata, spec, status }: Loose): boolean =>
  status.observedGeneration === metadata.generation &&
  status.replicas === spec.replicas &&
  status.updatedReplicas === spec.replicas &&
  status.availableReplicas === spec.replicas

export { eventually }
