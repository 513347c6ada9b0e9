import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type {
  ConfigMap,
  Container,
  PersistentVolume,
  PersistentVolumeClaim,
  PodSpec,
  Secret,
  StorageClass,
} from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import { memoryChannels } from './memory-channels.ts'
import { nodeFixture, type NodeFixture } from './node-fixture.ts'

let node: NodeFixture

beforeAll(async () => {
  node = await nodeFixture('10.251.10', 3)
  node.cluster.put<ConfigMap>(refs.configMaps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'default' },
    data: { one: '1', two: '2' },
  })
  node.cluster.put<Secret>(refs.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'keys', namespace: 'default' },
    data: { key: Buffer.from('secret').toString('base64') },
  })
  node.cluster.put<StorageClass>(refs.storageClasses, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local-path' },
    provisioner: 'stormo.dev/local-path',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
  })
}, 60_000)

afterAll(async () => {
  await node?.down()
}, 60_000)

/** Runs a pod to its end with volumes mounted below /v; what it said. */
async function outputOf(name: string, volumes: PodSpec['volumes'], script: string, more: Partial<Container> = {}) {
  const volumeMounts = (volumes ?? []).map((volume) => ({ name: volume.name, mountPath: `/v/${volume.name}` }))
  const main: Container = { name: 'main', image: 'busybox:1', command: ['sh', '-c', script], volumeMounts, ...more }
  node.run(name, { restartPolicy: 'Never', containers: [main], volumes })
  const pod = await node.until(name, 'ended', (one) => /Succeeded|Failed/.test(one?.status?.phase ?? ''))
  const channels = memoryChannels()
  const request = { kind: 'log' as const, namespace: 'default', pod: name, uid: pod?.metadata.uid ?? '' }
  await node.kubelet().serve({ ...request, options: { container: 'main' } }, channels, AbortSignal.timeout(10_000))
  return channels.text(1)
}

describe('volumes', () => {
  test('a ConfigMap with items, modes and a default mode', async () => {
    const items = [{ key: 'two', path: 'deep/file', mode: 0o400 }]
    const volumes = [
      { name: 'all', configMap: { name: 'settings', defaultMode: 0o440 } },
      { name: 'some', configMap: { name: 'settings', items } },
    ]
    const script =
      'cat /v/all/one; stat -L -c %a /v/all/one; ls /v/some; cat /v/some/deep/file; stat -L -c %a /v/some/deep/file'
    expect(await outputOf('config', volumes, script)).toBe('1440\ndeep\n2400\n')
  })

  test('a Secret in memory, and an optional one that is not there', async () => {
    const volumes = [
      { name: 'keys', secret: { secretName: 'keys' } },
      { name: 'none', secret: { secretName: 'absent', optional: true } },
    ]
    expect(await outputOf('secret', volumes, 'cat /v/keys/key; echo; ls /v/none | wc -l; stat -f -c %T /v/keys')).toBe(
      'secret\n0\ntmpfs\n',
    )
  })

  test('several sources projected into one directory', async () => {
    const sources = [
      { configMap: { name: 'settings', items: [{ key: 'one', path: 'one' }] } },
      { secret: { name: 'keys' } },
      { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
      { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
    ]
    const script = 'cd /v/all; cat one key name; test -s token && echo token'
    expect(await outputOf('projected', [{ name: 'all', projected: { sources } }], script)).toBe(
      '1secretprojectedtoken\n',
    )
  })

  test('subPath and subPathExpr mount what lies inside a volume', async () => {
    const volumeMounts = [
      { name: 'data', mountPath: '/a', subPath: 'left' },
      { name: 'data', mountPath: '/b', subPathExpr: 'of-$(NAME)' },
      { name: 'data', mountPath: '/whole', readOnly: true },
    ]
    const env = [{ name: 'NAME', value: 'x' }]
    const script = 'touch /a/1 /b/2; ls /whole; touch /whole/no 2>/dev/null || echo read-only'
    expect(await outputOf('sub', [{ name: 'data', emptyDir: {} }], script, { volumeMounts, env })).toBe(
      'left\nof-x\nread-only\n',
    )
  })

  test('a subPath that leads out of its volume is refused', async () => {
    const volumeMounts = [{ name: 'data', mountPath: '/a', subPath: '../../..' }]
    const main: Container = { name: 'main', image: 'busybox:1', command: ['true'], volumeMounts }
    node.run('escape', { restartPolicy: 'Never', containers: [main], volumes: [{ name: 'data', emptyDir: {} }] })
    const pod = await node.until('escape', 'refused', (one) =>
      /Error/.test(one?.status?.containerStatuses?.[0]?.state?.waiting?.reason ?? ''),
    )
    expect(pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('CreateContainerConfigError')
  })

  test('the files of an image are a volume, read only, and go with the last pod that has them', async () => {
    const volumes = [{ name: 'files', image: { reference: 'busybox:1' } }]
    const script =
      'ls -L /v/files/bin/busybox; stat -c %a /v/files/tmp; touch /v/files/no 2>/dev/null || echo read-only'
    expect(await outputOf('image-files', volumes, script)).toBe('/v/files/bin/busybox\n1777\nread-only\n')
    const directory = join(node.machine.directory, 'kubelet', 'image-volumes')
    expect(await readdir(directory)).toHaveLength(1)
    await node.cluster.client.delete(refs.pods, 'default', 'image-files')
    await expect.poll(() => readdir(directory), { timeout: 10_000 }).toEqual([])
    expect(await node.machine.docker('ps', '-aq', '--filter', 'name=stormo-files')).toBe('')
  })

  test('hostPath types are checked', async () => {
    const path = join(node.machine.directory, 'not-there')
    node.run('typed', {
      containers: [{ name: 'main', image: 'busybox:1', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      volumes: [{ name: 'v', hostPath: { path, type: 'Directory' } }],
    })
    await expect
      .poll(() => node.cluster.recorded.find((one) => one.name === 'typed' && one.reason === 'FailedMount')?.message)
      .toContain('hostPath type check failed')
  })
})

describe('node-local volumes', () => {
  const claimOf = (name: string) =>
    node.cluster.get<PersistentVolumeClaim>(refs.persistentVolumeClaims, 'default', name)
  const volumeOf = (name: string) =>
    node.cluster.get<PersistentVolume>(refs.persistentVolumes, '', claimOf(name)?.spec?.volumeName ?? 'none')
  const directories = () => readdir(join(node.machine.directory, 'kubelet', 'local-volumes'))

  const claim = (name: string, annotations: Record<string, string>): PersistentVolumeClaim => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: 'default', annotations },
    spec: {
      storageClassName: 'local-path',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '10Mi' } },
    },
  })
  const here = { 'volume.kubernetes.io/selected-node': 'node-1' }

  test('a claim is provisioned where its pod runs, keeps its data, grows, and is removed with its directory', async () => {
    node.cluster.put(refs.persistentVolumeClaims, claim('data', here))
    await expect.poll(() => claimOf('data')?.status?.phase).toBe('Bound')
    expect(claimOf('data')?.status?.capacity).toEqual({ storage: '10Mi' })
    expect(volumeOf('data')?.spec).toMatchObject({
      claimRef: { name: 'data' },
      persistentVolumeReclaimPolicy: 'Delete',
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname' }] }] } },
    })
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }]
    const nobody = { securityContext: { runAsUser: 65_534 } }
    expect(await outputOf('writer', volumes, 'echo kept > /v/data/f', nobody)).toBe('')
    expect(await outputOf('reader', volumes, 'cat /v/data/f')).toBe('kept\n')

    const grown = structuredClone(claimOf('data'))
    if (grown?.spec) grown.spec.resources = { requests: { storage: '20Mi' } }
    if (grown) node.cluster.put(refs.persistentVolumeClaims, grown)
    await expect.poll(() => claimOf('data')?.status?.capacity?.['storage']).toBe('20Mi')

    expect(await directories()).toHaveLength(1)
    node.cluster.drop(refs.persistentVolumeClaims, 'default', 'data')
    await expect.poll(directories).toEqual([])
    await expect.poll(() => node.cluster.informers.for(refs.persistentVolumes).list()).toEqual([])
  })

  test('a claim of another node, or without a consumer, is left alone', async () => {
    node.cluster.put(
      refs.persistentVolumeClaims,
      claim('elsewhere', { 'volume.kubernetes.io/selected-node': 'node-2' }),
    )
    node.cluster.put(refs.persistentVolumeClaims, claim('unused', {}))
    node.cluster.put(refs.persistentVolumeClaims, claim('mine', here))
    await expect.poll(() => claimOf('mine')?.status?.phase).toBe('Bound')
    expect(claimOf('elsewhere')?.spec?.volumeName).toBeUndefined()
    expect(claimOf('unused')?.spec?.volumeName).toBeUndefined()
  })

  test('a pod waits for its claim to be bound', async () => {
    node.run('waits', {
      restartPolicy: 'Never',
      containers: [
        { name: 'main', image: 'busybox:1', command: ['true'], volumeMounts: [{ name: 'd', mountPath: '/d' }] },
      ],
      volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'late' } }],
    })
    await expect
      .poll(() => node.cluster.recorded.find((one) => one.name === 'waits' && one.reason === 'FailedMount')?.message)
      .toContain('persistentvolumeclaim "late" not found')
    node.cluster.put(refs.persistentVolumeClaims, claim('late', here))
    await node.until('waits', 'succeeded', (pod) => pod?.status?.phase === 'Succeeded')
  })
})
