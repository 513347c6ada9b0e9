import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { channelPair } from '../../streams/channel-pair.ts'
import type { ContainerConfig, ContainerRuntime, RuntimeContainer } from '../runtime.ts'

export interface ContractSubject {
  readonly runtime: ContainerRuntime
  /** An image that is present, whose containers run for ever without arguments of their own. */
  readonly image: string
  /** Lets time pass until the condition holds. */
  until(condition: () => Promise<boolean>): Promise<void>
  /** Runs `work`, which may take time of the runtime's clock. */
  during<T>(work: Promise<T>): Promise<T>
  close(): Promise<void>
}

/** What a kubelet relies on, of every runtime. */
export function describeRuntimeContract(name: string, make: () => Promise<ContractSubject>): void {
  describe(`${name} keeps the runtime contract`, () => {
    let subject: ContractSubject
    let runtime: ContainerRuntime
    let attempt = 0

    beforeAll(async () => {
      subject = await make()
      runtime = subject.runtime
    }, 60_000)
    afterEach(async () => {
      // Containers first: some engines keep a sandbox for as long as anything is joined to it.
      const all = (await runtime.list()).toSorted((a, b) => a.role.localeCompare(b.role))
      for (const one of all) await subject.during(runtime.remove(one.id))
    })
    afterAll(async () => subject?.close(), 60_000)

    const pod = { name: 'web', namespace: 'default', uid: '0b8e5c4e-1111-2222-3333-444455556666' }

    const sandbox = (needsIdentity = true): Promise<RuntimeContainer> =>
      subject.during(
        runtime.runSandbox({
          pod,
          attempt: attempt++,
          hostname: 'web',
          hostNetwork: false,
          hostPid: false,
          hostIpc: false,
          sysctls: {},
          handler: '',
          needsIdentity,
        }),
      )

    const config = (sandboxId: string, more: Partial<ContainerConfig> = {}): ContainerConfig => ({
      pod,
      name: 'main',
      attempt: 0,
      sandboxId,
      image: subject.image,
      imageRef: subject.image,
      env: ['A=1'],
      mounts: [],
      tmpfs: {},
      devices: [],
      labels: { mine: 'yes' },
      stdin: false,
      stdinOnce: false,
      tty: false,
      hostNetwork: false,
      pidMode: 'own',
      hostIpc: false,
      groups: [],
      privileged: false,
      readOnlyRootFilesystem: false,
      capabilitiesAdd: [],
      capabilitiesDrop: [],
      securityOptions: [],
      oomScoreAdjust: 500,
      resources: { cpuShares: 100, memoryBytes: 64 << 20 },
      handler: '',
      ...more,
    })

    const started = async (more: Partial<ContainerConfig> = {}): Promise<RuntimeContainer> => {
      const { id } = await sandbox()
      const created = await subject.during(runtime.createContainer(config(id, more)))
      return subject.during(runtime.start(created))
    }

    test('a sandbox runs, belongs to its pod and has a process', async () => {
      const one = await sandbox()
      expect(one).toMatchObject({ role: 'sandbox', pod, state: 'running' })
      expect(one.pid).toBeGreaterThan(1)
      expect((await runtime.list()).map(({ id }) => id)).toEqual([one.id])
    })

    test('a container is created, then running, with what it was given', async () => {
      const { id: sandboxId } = await sandbox()
      const id = await subject.during(runtime.createContainer(config(sandboxId, { attempt: 3 })))
      expect(await runtime.inspect(id)).toMatchObject({ state: 'created', pid: 0, startedAtMs: 0, attempt: 3 })
      const running = await subject.during(runtime.start(id))
      expect(running).toMatchObject({ role: 'container', name: 'main', state: 'running', pod, sandboxId, attempt: 3 })
      expect(running.labels['mine']).toBe('yes')
      expect(running.startedAtMs).toBeGreaterThan(0)
    })

    test('start, stop and remove may be repeated', async () => {
      const { id } = await started()
      await subject.during(runtime.start(id))
      await subject.during(runtime.stop(id, 1_000))
      await subject.during(runtime.stop(id, 1_000))
      expect(await runtime.inspect(id)).toMatchObject({ state: 'exited', pid: 0 })
      await subject.during(runtime.remove(id))
      await subject.during(runtime.remove(id))
      expect(await runtime.inspect(id)).toBeUndefined()
    })

    test('changes are told as events', async () => {
      const stop = new AbortController()
      const seen = new Set<string>()
      const reading = (async () => {
        for await (const { containerId } of runtime.events(stop.signal)) seen.add(containerId)
      })()
      let id = ''
      await subject.until(async () => {
        if (id === '' || !seen.has(id)) ({ id } = await started({ attempt: attempt++ }))
        return seen.has(id)
      })
      stop.abort()
      await reading
      expect(seen).toContain(id)
    })

    test('exec answers with code and output, and fails on what does not run', async () => {
      const { id } = await started()
      const result = await runtime.execSync(id, ['echo', 'hi'], 100, AbortSignal.timeout(10_000))
      expect(result).toEqual({ exitCode: 0, output: 'hi\n' })
      await subject.during(runtime.stop(id, 0))
      await expect(runtime.execSync(id, ['echo'], 100, AbortSignal.timeout(10_000))).rejects.toThrow(/not running/)
    })

    test('nobody waits for the output of a container that has ended', async () => {
      const { id } = await started()
      await subject.during(runtime.stop(id, 0))
      const [mine] = channelPair()
      const streams = { stdin: false, stdout: true, stderr: true, tty: false }
      const attached = runtime.attach(id, streams, mine, AbortSignal.timeout(20_000))
      await expect(subject.during(attached)).rejects.toThrow(/not running/)
    })

    test('an unknown image is refused by name, and a pull of nothing says so', async () => {
      const { id } = await sandbox()
      const missing = runtime.createContainer(config(id, { image: 'none:1' }))
      await expect(missing).rejects.toMatchObject({ kind: 'not-found' })
      expect(await runtime.image('none:1')).toBeUndefined()
      const pull = runtime.pull('127.0.0.1:1/none:1', undefined, () => {}, AbortSignal.timeout(10_000))
      await expect(pull).rejects.toThrow()
    })

    test('present images are listed with their names', async () => {
      const image = await runtime.image(subject.image)
      expect(image?.tags).toContain(subject.image)
      expect((await runtime.images()).map((one) => one.id)).toContain(image?.id)
    })

    test('figures of a running container grow from zero', async () => {
      const { id } = await started()
      const stats = await runtime.stats(id)
      expect(stats.timestampMs).toBeGreaterThan(0)
      expect(stats.memoryWorkingSetBytes).toBeLessThanOrEqual(stats.memoryUsageBytes)
    })
  })
}
