import { connect, createServer, type AddressInfo } from 'node:net'
import { PassThrough, Readable, Writable } from 'node:stream'
import {
  AppsV1Api,
  Attach,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  makeInformer,
  PatchStrategy,
  PortForward,
  setHeaderOptions,
  Watch,
  type V1ConfigMap,
  type V1Deployment,
  type V1Status,
} from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCluster, type Cluster } from './cluster.ts'
import { deployment } from './manifests.ts'

/** JavaScript's client: what programs in this language do with a cluster. */
let cluster: Cluster
let config: KubeConfig
let core: CoreV1Api
const namespace = 'client-node'

beforeAll(async () => {
  cluster = await openCluster()
  config = new KubeConfig()
  config.loadFromFile(cluster.kubeconfig)
  core = config.makeApiClient(CoreV1Api)
  await core.createNamespace({ body: { metadata: { name: namespace } } })
})
afterAll(async () => {
  await core.deleteNamespace({ name: namespace })
  await cluster.stop()
})

const configMap = (name: string): V1ConfigMap => ({ metadata: { name, labels: { made: 'here' } }, data: { a: '1' } })

test('an informer lists, follows and forgets', async () => {
  const seen: string[] = []
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const informer = makeInformer(
    config,
    path,
    () => core.listNamespacedConfigMap({ namespace, labelSelector: 'made=here' }),
    'made=here',
  )
  await core.createNamespacedConfigMap({ namespace, body: configMap('before') })
  for (const verb of ['add', 'update', 'delete'] as const)
    informer.on(verb, (object: V1ConfigMap) => void seen.push(`${verb} ${object.metadata?.name}`))
  await informer.start()
  try {
    await core.createNamespacedConfigMap({ namespace, body: configMap('after') })
    await core.replaceNamespacedConfigMap({
      namespace,
      name: 'after',
      body: { ...configMap('after'), data: { a: '2' } },
    })
    await core.deleteNamespacedConfigMap({ namespace, name: 'after' })
    await expect
      .poll(() => seen, { timeout: 10_000 })
      .toEqual(['add before', 'add after', 'update after', 'delete after'])
    expect(informer.get('before', namespace)?.data).toEqual({ a: '1' })
  } finally {
    await informer.stop()
  }
})

test('a watch of its own ends when it is aborted', async () => {
  const events: string[] = []
  const done = Promise.withResolvers<void>()
  const controller = await new Watch(config).watch(
    `/api/v1/namespaces/${namespace}/secrets`,
    { allowWatchBookmarks: true },
    (phase) => void events.push(phase),
    () => done.resolve(),
  )
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'watched' }, stringData: { a: 'b' } } })
  await expect.poll(() => events, { timeout: 10_000 }).toEqual(['ADDED'])
  controller.abort()
  await done.promise
})

describe('patches', () => {
  const apps = () => config.makeApiClient(AppsV1Api)
  const patchWith = (body: object, strategy: string): Promise<V1Deployment> =>
    apps().patchNamespacedDeployment(
      { namespace, name: 'web', body, fieldManager: 'tests' },
      setHeaderOptions('Content-Type', strategy),
    )

  test('of every type reach the object', async () => {
    await apps().createNamespacedDeployment({ namespace, body: deployment('web', 0) as V1Deployment })
    const container = { name: 'web', image: 'nginx:2' }
    const strategic = await patchWith(
      { spec: { template: { spec: { containers: [container] } } } },
      PatchStrategy.StrategicMergePatch,
    )
    expect(strategic.spec?.template.spec?.containers).toMatchObject([{ ...container, ports: [{ containerPort: 80 }] }])
    const merged = await patchWith({ metadata: { annotations: { a: 'b' } } }, PatchStrategy.MergePatch)
    expect(merged.metadata?.annotations).toMatchObject({ a: 'b' })
    const json = await patchWith(
      [
        { op: 'test', path: '/spec/replicas', value: 0 },
        { op: 'remove', path: '/metadata/annotations/a' },
      ],
      PatchStrategy.JsonPatch,
    )
    expect(json.metadata?.annotations?.['a']).toBeUndefined()
    const applied = await patchWith(
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', labels: { applied: 'yes' } } },
      PatchStrategy.ServerSideApply,
    )
    expect(applied.metadata?.labels).toMatchObject({ applied: 'yes', app: 'web' })
  })

  test('objects of any kind are created, read, replaced and deleted', async () => {
    const objects = KubernetesObjectApi.makeApiClient(config)
    const made = await objects.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace } })
    expect(made).toMatchObject({ metadata: { uid: expect.any(String) } })
    const read = await objects.read({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace } })
    await objects.replace({ ...read, data: { b: '2' } } as V1ConfigMap)
    await objects.delete({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace } })
    await expect(
      objects.read({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace } }),
    ).rejects.toMatchObject({ code: 404 })
  })
})

/** Only our own server has a node whose containers echo. */
describe.skipIf(process.env['STORMO_KUBECONFIG'] !== undefined)('streams', () => {
  beforeAll(async () => {
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'default' } } })
    await core.createNamespacedPod({
      namespace,
      body: {
        metadata: { name: 'echo' },
        spec: { nodeName: 'echo', containers: [{ name: 'main', image: 'echo', ports: [{ containerPort: 80 }] }] },
      },
    })
  })

  function collector(): { stream: Writable; text(): string } {
    let text = ''
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString()
        done()
      },
    })
    return { stream, text: () => text }
  }

  test('exec gives output, takes input and tells the exit', async () => {
    const out = collector()
    const status = Promise.withResolvers<V1Status>()
    await new Exec(config).exec(
      namespace,
      'echo',
      'main',
      ['print', 'hello'],
      out.stream,
      null,
      null,
      false,
      status.resolve,
    )
    expect((await status.promise).status).toBe('Success')
    expect(out.text()).toBe('hello\n')
    const failed = Promise.withResolvers<V1Status>()
    await new Exec(config).exec(namespace, 'echo', 'main', ['fail'], out.stream, null, null, false, failed.resolve)
    expect((await failed.promise).details?.causes).toEqual([{ reason: 'ExitCode', message: '3' }])
    const typed = collector()
    const ended = Promise.withResolvers<V1Status>()
    await new Exec(config).exec(
      namespace,
      'echo',
      'main',
      ['cat'],
      typed.stream,
      null,
      Readable.from([Buffer.from('typed')]),
      false,
      ended.resolve,
    )
    expect((await ended.promise).status).toBe('Success')
    expect(typed.text()).toBe('typed')
  })

  test('attach', async () => {
    const out = collector()
    const input = new PassThrough()
    const socket = await new Attach(config).attach(namespace, 'echo', 'main', out.stream, null, input, false)
    input.write('attached')
    await expect.poll(() => out.text(), { timeout: 10_000 }).toBe('attached')
    socket.close()
  })

  test('log', async () => {
    const out = collector()
    await new Log(config).log(namespace, 'echo', 'main', out.stream, { follow: true })
    await expect.poll(() => out.text(), { timeout: 10_000 }).toBe('log of main\nsecond line\n')
  })

  test('port-forward', async () => {
    const forward = new PortForward(config)
    const server = createServer((socket) => void forward.portForward(namespace, 'echo', [80], socket, null, socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      socket.write('GET /through HTTP/1.1\r\nhost: x\r\n\r\n')
      let answer = ''
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
      await expect.poll(() => answer, { timeout: 10_000 }).toContain('you asked for /through')
      socket.destroy()
    } finally {
      server.close()
    }
  })
})
