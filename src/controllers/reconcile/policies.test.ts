import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type {
  CertificateSigningRequest,
  ClusterRole,
  Deployment,
  Endpoints,
  EndpointSlice,
  HorizontalPodAutoscaler,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
} from '../../api/kinds.ts'
import { errors } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import { replicaSetController } from './replica-set.ts'
import { defaultControllers } from '../default-controllers.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import { collectedResources } from '../resources.ts'
import { startCluster, type TestCluster } from '../testing/cluster.ts'
import { job, template, workload } from '../testing/objects.ts'
import { generateKeyPair, signingAlgorithm } from '../../pki/keys.ts'
import * as x509 from '../../pki/x509.ts'
import { createAuthority, openAuthority } from '../../pki/certificate-authority.ts'

let cluster: TestCluster
let cpuMilli: number | undefined
let rightOfSender: string

beforeEach(async () => {
  cpuMilli = undefined
  rightOfSender = ''
  const random = seededRandom(7)
  const authority = await openAuthority(await createAuthority('test', 1_700_000_000_000, random), random)
  cluster = await startCluster({
    controllers: ({ catalogue }) =>
      defaultControllers({
        caPem: 'PEM',
        resources: () => collectedResources(catalogue.all()),
        isAlive: () => true,
        authority,
        authorize: ({ subresource }) => ({
          verdict: subresource === rightOfSender ? 'allow' : 'no-opinion',
          reason: '',
        }),
        usage: () => (cpuMilli === undefined ? undefined : { main: { cpu: cpuMilli } }),
      }),
  })
  for (const name of ['one', 'two']) await cluster.addNode(name)
})
afterEach(() => cluster.stop())

const pods = () => cluster.list<Pod>(refs.pods)

async function expectQuiet() {
  const before = cluster.version()
  await cluster.pass(30_000)
  expect(cluster.version()).toBe(before)
  expect(cluster.failures).toEqual([])
}

test('a ReplicationController keeps its pods', async () => {
  await cluster.create(refs.replicationControllers, {
    metadata: { name: 'old' },
    spec: { replicas: 2, selector: { app: 'web' }, template: template() },
  })
  await cluster.pass()
  expect(pods()).toHaveLength(2)
  expect(cluster.get<ReplicationController>(refs.replicationControllers, 'old')!.status).toMatchObject({
    replicas: 2,
    readyReplicas: 2,
  })
  await expectQuiet()
})

test('a finished job goes when its time to live is over', async () => {
  cluster.kubelets.fate(() => 'succeeded')
  await cluster.create(refs.jobs, job({ ttlSecondsAfterFinished: 30 }))
  await cluster.pass(20_000)
  expect(cluster.get(refs.jobs, 'work')).toBeDefined()
  await cluster.pass(30_000)
  expect(cluster.get(refs.jobs, 'work')).toBeUndefined()
  expect(pods()).toEqual([])
})

describe('PodDisruptionBudget', () => {
  test.each([
    [{ minAvailable: 2 }, 1],
    [{ minAvailable: '50%' }, 1],
    [{ maxUnavailable: 1 }, 1],
    [{ maxUnavailable: '100%' }, 3],
    [{ minAvailable: 3 }, 0],
  ])('%j of three pods allows %i disruptions', async (spec, allowed) => {
    await cluster.create(refs.podDisruptionBudgets, {
      metadata: { name: 'web' },
      spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
    })
    await cluster.create(refs.deployments, workload({ replicas: 3 }))
    await cluster.pass(10_000)
    const { status } = cluster.get<PodDisruptionBudget>(refs.podDisruptionBudgets, 'web')!
    expect(status).toMatchObject({ expectedPods: 3, currentHealthy: 3, disruptionsAllowed: allowed })
    expect(status!.conditions![0]!.reason).toBe(allowed > 0 ? 'SufficientPods' : 'InsufficientPods')
    await expectQuiet()
  })
})

test('a ReplicaSet says that its pods cannot be made, until they can', async () => {
  const refusing = await startCluster({
    controllers: () => [replicaSetController],
    admission: [
      {
        name: 'RefusePods',
        validates({ ref, name }) {
          if (ref.resource === 'pods' && isClosed) throw errors.forbidden(ref, name, 'exceeded quota')
        },
      },
    ],
  })
  let isClosed = true
  await refusing.create(refs.replicaSets, workload({ replicas: 1 }))
  await refusing.pass()
  const status = () => refusing.get<ReplicaSet>(refs.replicaSets, 'web')!.status!
  expect(status().conditions?.[0]).toMatchObject({ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate' })
  isClosed = false
  await refusing.pass(60_000)
  expect(status().conditions ?? []).toEqual([])
  expect(status().replicas).toBe(1)
  await refusing.stop()
})

test.each([
  ['PreferClose', { forZones: [{ name: 'z1' }] }],
  ['PreferSameNode', { forNodes: [{ name: 'three' }], forZones: [{ name: 'z1' }] }],
])('%s hints at the zone of an endpoint', async (trafficDistribution, hints) => {
  await cluster.addNode('three', (node) => void (node.metadata.labels!['topology.kubernetes.io/zone'] = 'z1'))
  await cluster.create(refs.services, {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }], trafficDistribution },
  })
  await cluster.create(refs.pods, {
    metadata: { name: 'p', labels: { app: 'web' } },
    spec: { ...template().spec, nodeName: 'three' },
  })
  await cluster.pass()
  expect(cluster.list<EndpointSlice>(refs.endpointSlices)[0]!.endpoints![0]!.hints).toEqual(hints)
  await expectQuiet()
})

test('a quota says what is used', async () => {
  await cluster.create(refs.resourceQuotas, {
    metadata: { name: 'q' },
    spec: { hard: { pods: '10', 'requests.cpu': '2', 'count/deployments.apps': '5' } },
  })
  const withCpu = template('x', {})
  Object.assign(withCpu.spec.containers[0]!, { resources: { requests: { cpu: '250m' } } })
  await cluster.create(refs.deployments, workload({ replicas: 2, template: withCpu }))
  await cluster.pass()
  expect(cluster.get<ResourceQuota>(refs.resourceQuotas, 'q')!.status!.used).toEqual({
    pods: '2',
    'requests.cpu': '500m',
    'count/deployments.apps': '1',
  })
  await expectQuiet()
})

describe('volumes', () => {
  const volume = (name: string, size: string, spec: object = {}) => ({
    metadata: { name },
    spec: { capacity: { storage: size }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' }, ...spec },
  })
  const claim = (spec: object = {}) => ({
    metadata: { name: 'data' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: '',
      resources: { requests: { storage: '2Gi' } },
      ...spec,
    },
  })
  const phase = (name: string) => cluster.get<PersistentVolume>(refs.persistentVolumes, name)!.status?.phase
  const current = () => cluster.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, 'data')

  test('a claim gets the smallest volume that is large enough, and gives it up when it goes', async () => {
    for (const [name, size] of [
      ['large', '10Gi'],
      ['right', '3Gi'],
      ['small', '1Gi'],
    ] as const)
      await cluster.create(refs.persistentVolumes, volume(name, size))
    await cluster.create(refs.persistentVolumeClaims, claim())
    await cluster.pass()
    expect(current()!.spec!.volumeName).toBe('right')
    expect(current()!.status).toMatchObject({ phase: 'Bound', capacity: { storage: '3Gi' } })
    expect([phase('right'), phase('large'), phase('small')]).toEqual(['Bound', 'Available', 'Available'])
    await expectQuiet()
    await cluster.client.delete(refs.persistentVolumeClaims, 'default', 'data')
    await cluster.pass()
    expect(current()).toBeUndefined()
    expect(phase('right')).toBe('Released')
  })

  test('a generic ephemeral volume gets a claim of its own, and none that is somebody else’s', async () => {
    const ephemeral = { volumeClaimTemplate: { metadata: { labels: { a: 'b' } }, spec: claim().spec } }
    const spec = { ...template().spec, volumes: [{ name: 'scratch', ephemeral }] }
    const pod = await cluster.create<Pod>(refs.pods, { metadata: { name: 'user' }, spec })
    await cluster.pass()
    const made = cluster.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, 'user-scratch')
    expect(made?.metadata.labels).toEqual({ a: 'b' })
    expect(made?.metadata.ownerReferences).toMatchObject([{ kind: 'Pod', uid: pod.metadata.uid, controller: true }])
    expect(made?.spec).toMatchObject(claim().spec)
    await expectQuiet()
    await cluster.create(refs.persistentVolumeClaims, { ...claim(), metadata: { name: 'other-scratch' } })
    await cluster.create(refs.pods, { metadata: { name: 'other' }, spec })
    await cluster.pass()
    const foreign = cluster.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, 'other-scratch')
    expect(foreign?.metadata.ownerReferences).toBeUndefined()
  })

  test('a claim in use stays until its pod is gone', async () => {
    await cluster.create(refs.persistentVolumes, volume('v', '5Gi'))
    await cluster.create(refs.persistentVolumeClaims, claim())
    const spec = { ...template().spec, volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }] }
    await cluster.create(refs.pods, { metadata: { name: 'user' }, spec })
    await cluster.pass()
    await cluster.client.delete(refs.persistentVolumeClaims, 'default', 'data')
    await cluster.pass()
    expect(current()?.metadata.deletionTimestamp).toBeDefined()
    await cluster.client.delete(refs.pods, 'default', 'user')
    await cluster.pass()
    expect(current()).toBeUndefined()
  })

  test('a class asks its provisioner, and waits for the first consumer when told so', async () => {
    await cluster.create(refs.storageClasses, {
      metadata: { name: 'late' },
      provisioner: 'example.com/p',
      volumeBindingMode: 'WaitForFirstConsumer',
    })
    await cluster.create(refs.persistentVolumeClaims, claim({ storageClassName: 'late' }))
    await cluster.pass()
    expect(cluster.events.map((event) => event.reason)).toContain('WaitForFirstConsumer')
    expect(current()!.metadata.annotations?.['volume.kubernetes.io/storage-provisioner']).toBeUndefined()
    await cluster.change<PersistentVolumeClaim>(refs.persistentVolumeClaims, 'data', (one) => {
      one.metadata.annotations = { 'volume.kubernetes.io/selected-node': 'one' }
    })
    await cluster.pass()
    expect(current()!.metadata.annotations?.['volume.kubernetes.io/storage-provisioner']).toBe('example.com/p')
    const { uid } = current()!.metadata
    const claimRef = { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid }
    await cluster.create(refs.persistentVolumes, volume('made', '2Gi', { storageClassName: 'late', claimRef }))
    await cluster.pass()
    expect(current()!.status!.phase).toBe('Bound')
    expect(phase('made')).toBe('Bound')
    await expectQuiet()
  })
})

test('endpoints kept by hand are mirrored', async () => {
  await cluster.create(refs.services, { metadata: { name: 'outside' }, spec: { ports: [{ port: 80 }] } })
  await cluster.create<Endpoints>(refs.endpoints, {
    metadata: { name: 'outside' },
    subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 8080 }] }],
  })
  await cluster.pass()
  const slices = cluster.list<EndpointSlice>(refs.endpointSlices)
  expect(slices).toHaveLength(1)
  expect(slices[0]!.endpoints![0]!.addresses).toEqual(['192.0.2.1'])
  expect(slices[0]!.ports![0]!.port).toBe(8080)
  await expectQuiet()
  await cluster.client.delete(refs.endpoints, 'default', 'outside')
  await cluster.pass()
  expect(cluster.list(refs.endpointSlices)).toEqual([])
})

test('an aggregated role holds the rules of those it selects', async () => {
  const roles = { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }
  const rules = [{ verbs: ['get'], apiGroups: ['x'], resources: ['y'] }]
  await cluster.create(roles, { metadata: { name: 'part', labels: { to: 'all' } }, rules })
  await cluster.create(roles, {
    metadata: { name: 'whole' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'all' } }] },
    rules: [],
  })
  await cluster.pass()
  expect(cluster.get<ClusterRole>(roles, 'whole')!.rules).toEqual(rules)
  await expectQuiet()
})

test('a certificate request that nobody can read fails with the reason once it is approved', async () => {
  const requests = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }
  const body = btoa('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n')
  await cluster.create(requests, {
    metadata: { name: 'r' },
    spec: { request: body, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
  })
  await cluster.change<CertificateSigningRequest>(
    requests,
    'r',
    (one) => void (one.status = { conditions: [{ type: 'Approved', status: 'True', reason: 'Test' }] }),
    'approval',
  )
  await cluster.pass()
  const status = () => cluster.get<CertificateSigningRequest>(requests, 'r')?.status
  expect(status()?.conditions?.map((one) => one.type)).toEqual(['Approved', 'Failed'])
  cluster.kubelets.stop()
  await cluster.pass(3_700_000)
  expect(status()).toBeUndefined()
})

test.each([
  ['nodeclient', 'system:node:n9', ['digital signature', 'client auth'], ['Approved']],
  ['somebody', 'system:node:n9', ['digital signature', 'client auth'], []],
  ['nodeclient', 'jane', ['digital signature', 'client auth'], []],
])('a sender with the right %s asks for the certificate of %s', async (right, commonName, usages, expected) => {
  rightOfSender = right
  const keys = await generateKeyPair()
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [commonName] }],
    keys,
    signingAlgorithm,
  })
  const requests = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }
  await cluster.create(requests, {
    metadata: { name: 'r' },
    spec: {
      request: btoa(request.toString('pem')),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages,
    },
  })
  // Keys are checked by real threads, which virtual time does not wait for.
  const look = async () => {
    await cluster.pass(100)
    const { status } = cluster.get<CertificateSigningRequest>(requests, 'r')!
    expect((status?.conditions ?? []).map((one) => one.type)).toEqual(expected)
  }
  await vi.waitFor(look, { timeout: 20_000 })
})

test('autoscaling follows use: up at once, down after the window, within the bounds', async () => {
  const withCpu = template('x', {})
  Object.assign(withCpu.spec.containers[0]!, { resources: { requests: { cpu: '100m' } } })
  await cluster.create(refs.deployments, workload({ replicas: 2, template: withCpu }))
  await cluster.create(refs.horizontalPodAutoscalers, {
    metadata: { name: 'web' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    },
  })
  const size = () => cluster.get<Deployment>(refs.deployments, 'web')!.spec!.replicas
  const condition = (type: string) =>
    cluster
      .get<HorizontalPodAutoscaler>(refs.horizontalPodAutoscalers, 'web')!
      .status!.conditions!.find((one) => one.type === type)
  await cluster.pass(20_000)
  expect(condition('ScalingActive')).toMatchObject({ status: 'False', reason: 'FailedGetResourceMetric' })
  cpuMilli = 100
  await cluster.pass(20_000)
  expect(size()).toBe(4)
  await cluster.pass(60_000)
  expect(size()).toBe(5)
  expect(condition('ScalingLimited')).toMatchObject({ status: 'True', reason: 'TooManyReplicas' })
  cpuMilli = 1
  await cluster.pass(120_000)
  expect(size()).toBe(5)
  await cluster.pass(240_000)
  expect(size()).toBe(1)
  expect(cluster.failures).toEqual([])
})
