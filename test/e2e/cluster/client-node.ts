import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import {
  Attach,
  CoreV1Api,
  Cp,
  Exec,
  KubeConfig,
  Log,
  makeInformer,
  PatchStrategy,
  PortForward,
  setHeaderOptions,
  type V1Pod,
  type V1Status,
} from '@kubernetes/client-node'
import { expect } from 'vitest'
import { eventually } from '../../support/cluster.ts'

const namespace = 'default'
const container = 'main'

/**
 * What a program with JavaScript's client does with one pod, through the API of one node: follows it, patches it, runs
 * commands in it, talks to it, reads its log and its port, and copies files in and out.
 */
export async function exerciseClientNode(kubeconfig: string, pod: string): Promise<void> {
  const config = new KubeConfig()
  config.loadFromFile(kubeconfig)
  const core = config.makeApiClient(CoreV1Api)
  const labels = { app: pod }
  const seen: string[] = []
  const informer = makeInformer(
    config,
    `/api/v1/namespaces/${namespace}/pods`,
    () => core.listNamespacedPod({ namespace, labelSelector: `app=${pod}` }),
    `app=${pod}`,
  )
  for (const verb of ['add', 'update', 'delete'] as const)
    informer.on(verb, (object: V1Pod) => void seen.push(`${verb} ${object.metadata?.labels?.['patched'] ?? ''}`))
  await informer.start()
  try {
    await core.createNamespacedPod({ namespace, body: podOf(pod, labels) })
    const isRunning = async () =>
      (await core.readNamespacedPod({ namespace, name: pod })).status?.containerStatuses?.[0]?.ready === true
    await eventually(`${pod} runs`, isRunning, 30_000)
    await core.patchNamespacedPod(
      { namespace, name: pod, body: { metadata: { labels: { patched: 'yes' } } } },
      setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch),
    )
    await eventually('the informer sees the patch', () => Promise.resolve(seen.includes('update yes')), 10_000)

    await commands(config, pod)
    await talk(config, pod)
    await logged(config, pod)
    await ported(config, pod)
    await copied(config, pod)
  } finally {
    await core.deleteNamespacedPod({ namespace, name: pod, gracePeriodSeconds: 0 })
  }
  await eventually('the informer sees the end', () => Promise.resolve(seen.includes('delete yes')), 20_000)
  await informer.stop()
}

const podOf = (name: string, labels: Record<string, string>): V1Pod => ({
  metadata: { name, labels },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: container,
        image: 'stormo-hello:1',
        stdin: true,
        command: ['sh', '-c', 'mkdir -p /www; echo page >/www/index.html; httpd -p 8080 -h /www; echo begun; exec cat'],
      },
    ],
  },
})

function collector(): { stream: Writable; text(): string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk)
      done()
    },
  })
  return { stream, text: () => Buffer.concat(chunks).toString() }
}

async function run(config: KubeConfig, pod: string, command: string[], stdin: Readable | null) {
  const [out, err] = [collector(), collector()]
  const ended = Promise.withResolvers<V1Status>()
  const exec = new Exec(config)
  await exec.exec(namespace, pod, container, command, out.stream, err.stream, stdin, false, ended.resolve)
  return { status: await ended.promise, out: out.text(), err: err.text() }
}

async function commands(config: KubeConfig, pod: string): Promise<void> {
  const both = await run(config, pod, ['sh', '-c', 'echo out; echo err >&2; exit 3'], null)
  expect([both.out, both.err]).toEqual(['out\n', 'err\n'])
  expect(both.status.details?.causes).toEqual([{ reason: 'ExitCode', message: '3' }])
  const typed = await run(config, pod, ['cat'], Readable.from([Buffer.from('typed')]))
  expect([typed.out, typed.status.status]).toEqual(['typed', 'Success'])
}

async function talk(config: KubeConfig, pod: string): Promise<void> {
  const out = collector()
  const input = new PassThrough()
  const socket = await new Attach(config).attach(namespace, pod, container, out.stream, null, input, false)
  input.write('said by attach\n')
  await eventually('attach answers', () => Promise.resolve(out.text().includes('said by attach')), 10_000)
  socket.close()
}

async function logged(config: KubeConfig, pod: string): Promise<void> {
  const out = collector()
  // It ends with the pod.
  await new Log(config).log(namespace, pod, container, out.stream, { follow: true })
  await eventually('the log', () => Promise.resolve(out.text() === 'begun\nsaid by attach\n'), 10_000)
}

async function ported(config: KubeConfig, pod: string): Promise<void> {
  const forward = new PortForward(config)
  const server = createServer((socket) => void forward.portForward(namespace, pod, [8080], socket, null, socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  try {
    let answer = ''
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    socket.write('GET / HTTP/1.0\r\nhost: x\r\n\r\n')
    await eventually('the page', () => Promise.resolve(answer.endsWith('page\n')), 10_000)
  } finally {
    socket.destroy()
    server.close()
  }
}

/** Neither way of Cp tells when it is done: what has arrived is looked at. */
async function copied(config: KubeConfig, pod: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stormo-cp-'))
  const file = join(folder, 'copied')
  const content = 'x'.repeat(300_000)
  const cp = new Cp(config)
  try {
    await writeFile(file, content)
    await cp.cpToPod(namespace, pod, container, folder, '/tmp')
    const size = async () => (await run(config, pod, ['stat', '-c', '%s', '/tmp/copied'], null)).out.trim()
    await eventually('the file arrives', async () => (await size()) === String(content.length), 20_000)
    await rm(file)
    await cp.cpFromPod(namespace, pod, container, 'copied', folder, '/tmp')
    await eventually('the file comes back', async () => (await readFile(file, 'utf8')) === content, 20_000)
  } finally {
    await rm(folder, { recursive: true })
  }
}
