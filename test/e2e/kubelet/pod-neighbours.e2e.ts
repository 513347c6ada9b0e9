import { mkdir, readlink, writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Container, PersistentVolume, PersistentVolumeClaim, Pod, Secret } from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import type { Pressure } from '../../../src/kubelet/node/machine.ts'
import { exec, execOk } from '../../../src/lib/exec.ts'
import { imageRegistry } from './image-registry.ts'
import { memoryChannels } from './memory-channels.ts'
import { isReady, nodeFixture, type NodeFixture } from './node-fixture.ts'

/** What a pod has to do with others: registries, servers that are asked about it, the node's own namespaces, clients. */
let node: NodeFixture
let pressure: Pressure | undefined

beforeAll(async () => {
  node = await nodeFixture('10.251.14', 2, { pressure: () => pressure })
}, 60_000)

afterAll(async () => {
  await node?.down()
}, 60_000)

const shell = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'main',
  image: 'busybox:1',
  command: ['sh', '-c', script],
  ...more,
})
const forever = 'trap "exit 0" TERM; while :; do sleep 0.1; done'
const restarts = (pod: Pod | undefined): number => pod?.status?.containerStatuses?.[0]?.restartCount ?? 0
const isOver = (pod: Pod | undefined): boolean => /Succeeded|Failed/.test(pod?.status?.phase ?? '')
const ofPod = (name: string) => ({
  namespace: 'default',
  pod: name,
  uid: node.pod(name)?.metadata.uid ?? '',
  container: 'main',
})
const remove = (name: string) => node.cluster.client.delete(refs.pods, 'default', name, { gracePeriodSeconds: 0 })

async function outputOf(name: string, container: Container, more: Partial<Pod['spec']> = {}): Promise<string> {
  node.run(name, { restartPolicy: 'Never', containers: [container], ...more })
  await node.until(name, 'over', isOver)
  const channels = memoryChannels()
  const { container: of, ...request } = ofPod(name)
  const options = { container: of }
  await node.kubelet().serve({ kind: 'log', ...request, options }, channels, AbortSignal.timeout(10_000))
  return channels.text(1)
}

test('under memory pressure the pod that uses most of what it did not ask for is evicted', async () => {
  const hog = shell(`dd if=/dev/zero of=/dev/shm/hog bs=1M count=32; ${forever}`)
  const asking = { resources: { requests: { memory: '64Mi' } } }
  node.run('hog', { containers: [hog] })
  node.run('modest', { containers: [shell(forever, asking)] })
  await node.until('hog', 'ready', isReady)
  await node.until('modest', 'ready', isReady)
  pressure = { memoryAvailableBytes: 1 << 20, diskAvailableRatio: 1, inodesAvailableRatio: 1, pidsAvailableRatio: 1 }
  const evicted = await node.until('hog', 'evicted', isOver)
  pressure = undefined
  expect(evicted?.status).toMatchObject({ phase: 'Failed', reason: 'Evicted' })
  expect(evicted?.status?.message).toMatch(/^The node was low on resource: memory/)
  expect(isReady(node.pod('modest'))).toBe(true)
  await remove('modest')
})

test('an image of a registry is pulled with the pod’s pull secret, and not without', async () => {
  const registry = await imageRegistry(node.machine, 'busybox:1', 'jane:secret')
  const containers = [{ ...shell(forever), image: registry.image }]
  node.run('locked-out', { containers })
  const waiting = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason ?? ''
  await node.until('locked-out', 'refused', (pod) => /ErrImagePull|ImagePullBackOff/.test(waiting(pod)))
  expect(registry.counts).toEqual({ refused: expect.any(Number), served: 0 })
  const auths = { [registry.address]: { username: 'jane', password: 'secret' } }
  node.cluster.put<Secret>(refs.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'pull', namespace: 'default' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
  })
  node.run('let-in', { containers, imagePullSecrets: [{ name: 'pull' }] })
  const pod = await node.until('let-in', 'ready', isReady)
  expect(pod?.status?.containerStatuses?.[0]?.image).toBe(registry.image)
  await remove('locked-out')
  await remove('let-in')
  await registry.close()
})

test('a gRPC probe asks for the service by name, and restarts what does not serve', async () => {
  let status = 1
  const asked: string[] = []
  const server = new Server()
  const identity = (data: Buffer): Buffer => data
  server.addService(
    {
      check: {
        path: '/grpc.health.v1.Health/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    },
    {
      check({ request }: { request: Buffer }, answer: (error: null, data: Buffer) => void) {
        asked.push(request.subarray(2).toString())
        answer(null, Buffer.from([0x08, status]))
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('0.0.0.0:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  const livenessProbe = { grpc: { port, service: 'shop' }, periodSeconds: 1, failureThreshold: 1 }
  // The node has its address while a pod is attached to it.
  node.run('attached', { containers: [shell(forever)] })
  await node.until('attached', 'ready', isReady)
  // On the node's own network the probe reaches the server of this test.
  node.run('asked', { hostNetwork: true, containers: [shell(forever, { livenessProbe })] })
  await node.until('asked', 'ready', isReady)
  await expect.poll(() => asked, { timeout: 10_000 }).toContain('shop')
  expect(restarts(node.pod('asked'))).toBe(0)
  status = 2
  await node.until('asked', 'restarted', (pod) => restarts(pod) >= 1)
  server.forceShutdown()
  await remove('asked')
  await remove('attached')
})

test('a probe’s own grace period counts in place of the pod’s', async () => {
  const stubborn = 'trap "" TERM; while :; do sleep 0.1; done'
  const probe = {
    exec: { command: ['false'] },
    periodSeconds: 1,
    failureThreshold: 1,
    terminationGracePeriodSeconds: 1,
  }
  // With the pod's own grace period this would take ten minutes.
  node.run('hurried', { terminationGracePeriodSeconds: 600, containers: [shell(stubborn, { livenessProbe: probe })] })
  await node.until('hurried', 'restarted', (pod) => restarts(pod) >= 1)
  await remove('hurried')
})

test('postStart and preStop over HTTPS trust any certificate', async () => {
  const folder = join(node.machine.directory, 'tls')
  await mkdir(folder, { recursive: true })
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=nobody', '-days', '1']
  await execOk('openssl', [...request, '-keyout', key, '-out', cert])
  const asked: string[] = []
  const pem = async (path: string): Promise<string> => (await execOk('cat', [path])).trim()
  const server = createTlsServer({ key: await pem(key), cert: await pem(cert) }, ({ url = '' }, response) => {
    asked.push(url)
    response.end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const get = (path: string) => ({ httpGet: { scheme: 'HTTPS', host: '127.0.0.1', path, port } })
  node.run('secure', {
    containers: [shell(forever, { lifecycle: { postStart: get('/start'), preStop: get('/stop') } })],
  })
  await node.until('secure', 'ready', isReady)
  await expect.poll(() => asked, { timeout: 10_000 }).toEqual(['/start'])
  await node.cluster.client.delete(refs.pods, 'default', 'secure')
  await node.until('secure', 'gone', (pod) => pod === undefined)
  expect(asked).toEqual(['/start', '/stop'])
  server.close()
})

test('attach reads and writes the first process of a container', async () => {
  const echo = 'while read line; do echo "heard $line"; [ "$line" = bye ] && exit 3; done'
  node.run('listener', { restartPolicy: 'Never', containers: [shell(echo, { stdin: true })] })
  await node.until('listener', 'ready', isReady)
  const channels = memoryChannels()
  const streams = { stdin: true, stdout: true, stderr: true, tty: false }
  const request = { kind: 'attach' as const, ...ofPod('listener'), command: [], ...streams }
  const serving = node.kubelet().serve(request, channels, AbortSignal.timeout(20_000))
  channels.push({ channel: 0, data: Buffer.from('hello\n') })
  await expect.poll(() => channels.text(1), { timeout: 10_000 }).toBe('heard hello\n')
  channels.push({ channel: 0, data: Buffer.from('bye\n') })
  await serving
  const pod = await node.until('listener', 'over', isOver)
  expect(pod?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(3)
})

test('a seccomp profile of the node forbids what it names; RuntimeDefault filters, Unconfined does not', async () => {
  const folder = join(node.machine.directory, 'kubelet', 'seccomp')
  await mkdir(folder, { recursive: true })
  const syscalls = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }]
  await writeFile(join(folder, 'no-mkdir.json'), JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }))
  const script = 'grep ^Seccomp: /proc/self/status; mkdir /tmp/x 2>/dev/null && echo made || echo refused'
  const under = (type: string, localhostProfile?: string) =>
    outputOf(
      `seccomp-${type.toLowerCase()}`,
      shell(script, { securityContext: { seccompProfile: { type, localhostProfile } } }),
    )
  expect(await under('Localhost', 'no-mkdir.json')).toMatch(/Seccomp:\s+2\nrefused/)
  expect(await under('RuntimeDefault')).toMatch(/Seccomp:\s+2\nmade/)
  expect(await under('Unconfined')).toMatch(/Seccomp:\s+0\nmade/)
})

const pidOfThisTest = (): Partial<Container> => ({ env: [{ name: 'PID', value: String(process.pid) }] })

test('hostPID and hostIPC show the node’s processes and its IPC namespace', async () => {
  const said = await outputOf('host', shell('readlink /proc/self/ns/ipc; cat /proc/$PID/comm', pidOfThisTest()), {
    hostPID: true,
    hostIPC: true,
  })
  expect(said.split('\n')[0]).toBe(await readlink('/proc/self/ns/ipc'))
  expect(said.split('\n')[1]).toBe((await execOk('cat', [`/proc/${process.pid}/comm`])).trim())
})

test('a generic ephemeral volume is the claim that was made for this pod, and no other one', async () => {
  const path = join(node.machine.directory, 'ephemeral')
  await mkdir(path)
  const accessModes = ['ReadWriteOnce']
  node.cluster.put<PersistentVolume>(refs.persistentVolumes, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'for-scratch' },
    spec: { accessModes, capacity: { storage: '1Gi' }, hostPath: { path } },
  })
  const claim = (owner: Pod | undefined): PersistentVolumeClaim => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: 'scratcher-scratch',
      namespace: 'default',
      ...(owner && {
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Pod', name: 'scratcher', uid: owner.metadata.uid ?? '', controller: true },
        ],
      }),
    },
    spec: { volumeName: 'for-scratch', accessModes },
    status: { phase: 'Bound' },
  })
  node.cluster.put(refs.persistentVolumeClaims, claim(undefined))
  const pod = node.run('scratcher', {
    containers: [
      shell(`echo hi > /scratch/file; ${forever}`, { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] }),
    ],
    volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { spec: { accessModes } } } }],
  })
  const said = () => node.cluster.recorded.find((one) => one.name === 'scratcher' && one.reason === 'FailedMount')
  await expect.poll(() => said()?.message, { timeout: 10_000 }).toContain('was not created for pod default/scratcher')
  node.cluster.put(refs.persistentVolumeClaims, claim(pod))
  await node.until('scratcher', 'ready', isReady)
  await expect.poll(async () => (await exec('cat', [join(path, 'file')])).stdout.trim()).toBe('hi')
})
