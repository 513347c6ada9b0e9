import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Container } from '../../../src/api/kinds.ts'
import { labelKeys } from '../../../src/runtime/container-names.ts'
import { memoryChannels } from './memory-channels.ts'
import { isReady, nodeFixture, type NodeFixture } from './node-fixture.ts'

let node: NodeFixture

beforeAll(async () => {
  node = await nodeFixture('10.251.8', 4)
  await vi.waitFor(
    async () => {
      const pooled = await node.machine.docker('ps', '-q', '--filter', 'name=stormo_pool_')
      if (pooled.trim().split('\n').length < 4) throw new Error('the pool is not full')
    },
    { timeout: 20_000, interval: 100 },
  )
}, 60_000)

afterAll(async () => {
  await node?.down()
}, 60_000)

const main = (more: Partial<Container>): Container => ({ name: 'main', image: 'busybox:1', ...more })

async function logOf(name: string): Promise<string> {
  const pod = node.pod(name)
  const channels = memoryChannels()
  const request = { kind: 'log' as const, namespace: 'default', pod: name, uid: pod?.metadata.uid ?? '' }
  await node.kubelet().serve({ ...request, options: { container: 'main' } }, channels, AbortSignal.timeout(10_000))
  return channels.text(1)
}

/** Whether the pod's sandbox was taken from the pool. */
async function isPooled(name: string): Promise<boolean> {
  const format = `{{index .Config.Labels "${labelKeys.podUid}"}}`
  const id = await node.machine.docker('ps', '-aq', '--filter', `name=k8s_POD_${name}_`)
  return (await node.machine.docker('inspect', '--format', format, id.trim())).trim() === ''
}

describe('the host name of a pod in a pooled sandbox', () => {
  test('is the pod’s own at the first instruction', async () => {
    // It stays, because the sandbox of a pod that has ended is removed.
    node.run('named', { containers: [main({ command: ['sh', '-c', 'hostname; sleep 60'] })] })
    await node.until('named', 'ready', isReady)
    await expect.poll(() => logOf('named')).toBe('named\n')
    expect(await isPooled('named')).toBe(true)
  })

  test('arguments, environment, directory and user reach the program unchanged', async () => {
    const command = ['sh', '-c', 'hostname; pwd; id -u; echo "$A" "$#" "$2"', 'sh', '', 'two words']
    node.run('exact', {
      containers: [
        main({ command, workingDir: '/tmp', env: [{ name: 'A', value: 'b' }], securityContext: { runAsUser: 1234 } }),
      ],
      restartPolicy: 'Never',
    })
    await node.until('exact', 'succeeded', (pod) => pod?.status?.phase === 'Succeeded')
    expect(await logOf('exact')).toBe('exact\n/tmp\n1234\nb 2 two words\n')
  })

  test('a restarted container has it too', async () => {
    node.run('again', { containers: [main({ command: ['sh', '-c', 'hostname; exit 1'] })] })
    await node.until('again', 'restarted', (pod) => (pod?.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0)
    await expect.poll(() => logOf('again')).toBe('again\n')
  })

  test('a program that is not there is a StartError with the words of the runtime', async () => {
    node.run('absent', { containers: [main({ command: ['no-such-program'] })], restartPolicy: 'Never' })
    const pod = await node.until('absent', 'failed', (one) => one?.status?.phase === 'Failed')
    const ended = pod?.status?.containerStatuses?.[0]?.state?.terminated
    expect(ended).toMatchObject({ reason: 'StartError', exitCode: 128 })
    expect(ended?.message).toMatch(/exec: "no-such-program": executable file not found in \$PATH/)
  })

  test('a program that may not be executed is a StartError', async () => {
    node.run('denied', { containers: [main({ command: ['/etc/hosts'] })], restartPolicy: 'Never' })
    const pod = await node.until('denied', 'failed', (one) => one?.status?.phase === 'Failed')
    expect(pod?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ reason: 'StartError' })
    expect(pod?.status?.containerStatuses?.[0]?.state?.terminated?.message).toMatch(/permission denied/)
  })

  test('a volume over /dev makes the pod take a sandbox of its own', async () => {
    node.run('devices', {
      containers: [
        main({ command: ['sh', '-c', 'hostname; sleep 60'], volumeMounts: [{ name: 'dev', mountPath: '/dev' }] }),
      ],
      volumes: [{ name: 'dev', hostPath: { path: '/dev' } }],
    })
    await node.until('devices', 'ready', isReady)
    expect(await isPooled('devices')).toBe(false)
    await expect.poll(() => logOf('devices')).toBe('devices\n')
  })
})
