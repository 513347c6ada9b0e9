import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PodSpec } from '../../api/kinds.ts'
import type { RuntimeContainer } from '../../runtime/runtime.ts'
import { decide } from './decide.ts'
import { podStatus } from './pod-status.ts'
import type { PodView } from './pod-view.ts'
import { backoffRemainingMs, goDuration, nextBackoff } from './restart.ts'

const now = 1_700_000_000_000
const identity = { name: 'web', namespace: 'default', uid: 'u1' }

const instance = (more: Partial<RuntimeContainer>): RuntimeContainer => ({
  id: `${more.name ?? 'sandbox'}-${more.attempt ?? 0}`,
  role: 'container',
  pod: identity,
  sandboxId: 'sandbox-0',
  name: '',
  attempt: 0,
  state: 'running',
  pid: 7,
  createdAtMs: now - 60_000,
  startedAtMs: now - 60_000,
  finishedAtMs: 0,
  exitCode: 0,
  oomKilled: false,
  error: '',
  imageRef: 'app:1',
  imageId: 'sha256:1',
  labels: {},
  pooled: false,
  user: '',
  ...more,
})

const sandbox = instance({ role: 'sandbox', sandboxId: '' })
const exited = (name: string, exitCode: number, more: Partial<RuntimeContainer> = {}): RuntimeContainer =>
  instance({ name, state: 'exited', pid: 0, exitCode, finishedAtMs: now - 1_000, ...more })

const app = (name: string) => ({ name, image: 'app:1' })

function view(spec: PodSpec, observed: RuntimeContainer[], more: Partial<PodView> = {}): PodView {
  return {
    pod: { apiVersion: 'v1', kind: 'Pod', metadata: { ...identity, generation: 1 }, spec },
    observed,
    podIp: '10.0.0.2',
    hostIp: '192.168.0.1',
    failures: new Map(),
    probes: new Map(),
    crashes: new Map(),
    stop: undefined,
    terminationMessages: new Map(),
    resourcesInForce: new Map(),
    resize: { refusal: undefined, inProgress: undefined },
    startedAtMs: now,
    ...more,
  }
}

/** Actions in one word each. */
const plan = (one: PodView): string[] =>
  decide(one, now).actions.map((action) => {
    if (action.do === 'start') return `start ${action.container.name} ${action.attempt}`
    if (action.do === 'kill') return `kill ${action.instance.name}`
    if (action.do === 'wait') return `wait ${action.name}`
    if (action.do === 'start-over') return `forget ${action.instances.map(({ name }) => name).join(' ')}`
    return action.do === 'stop-pod' ? `stop ${action.cause}` : `sandbox ${action.attempt}`
  })

const status = (one: PodView) => podStatus(one, 'docker', now)

describe('decisions', () => {
  const two: PodSpec = { containers: [app('a'), app('b')] }

  test('sandbox first, then containers in order', () => {
    expect(plan(view(two, [], { podIp: undefined }))).toEqual(['sandbox 0'])
    expect(plan(view(two, [sandbox]))).toEqual(['start a 0', 'start b 0'])
    expect(plan(view(two, [sandbox, instance({ name: 'a' }), instance({ name: 'b' })]))).toEqual([])
  })

  test('a sandbox that lost its address gets it again; one that died ends the pod first', () => {
    expect(plan(view(two, [sandbox], { podIp: undefined }))).toEqual(['sandbox 0'])
    const dead = instance({ role: 'sandbox', sandboxId: '', state: 'exited' })
    expect(plan(view(two, [dead, instance({ name: 'a' })]))).toEqual(['stop sandbox-changed'])
    expect(plan(view(two, [dead, exited('a', 0)]))).toEqual(['sandbox 1'])
  })

  test('init containers one at a time; sidecars stay and open the way once started', () => {
    const sidecar = { ...app('side'), restartPolicy: 'Always', startupProbe: { exec: { command: ['true'] } } }
    const spec: PodSpec = { initContainers: [app('one'), sidecar, app('two')], containers: [app('main')] }
    expect(plan(view(spec, [sandbox]))).toEqual(['start one 0'])
    expect(plan(view(spec, [sandbox, exited('one', 0)]))).toEqual(['start side 0'])
    const side = instance({ name: 'side' })
    expect(plan(view(spec, [sandbox, exited('one', 0), side]))).toEqual([])
    const probes = new Map([[side.id, { startup: true }]])
    expect(plan(view(spec, [sandbox, exited('one', 0), side], { probes }))).toEqual(['start two 0'])
    const done = [sandbox, exited('one', 0), side, exited('two', 0)]
    expect(plan(view(spec, done, { probes }))).toEqual(['start main 0'])
  })

  test.each([
    ['Always', 0, 'start a 1'],
    ['Always', 1, 'start a 1'],
    ['OnFailure', 0, 'stop completed'],
    ['OnFailure', 1, 'start a 1'],
    ['Never', 1, 'stop completed'],
  ])('policy %s after exit code %i: %s', (restartPolicy, code, expected) => {
    expect(plan(view({ restartPolicy, containers: [app('a')] }, [sandbox, exited('a', code)]))).toEqual([expected])
  })

  test("a container's own rules come before its policy", () => {
    const restartPolicyRules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }]
    const spec: PodSpec = { restartPolicy: 'Never', containers: [{ ...app('a'), restartPolicyRules }] }
    expect(plan(view(spec, [sandbox, exited('a', 42)]))).toEqual(['start a 1'])
    expect(plan(view(spec, [sandbox, exited('a', 1)]))).toEqual(['stop completed'])
  })

  describe('a rule that restarts all containers', () => {
    const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }]
    const source = { ...app('source'), restartPolicy: 'Never', restartPolicyRules }
    const side = { ...app('side'), restartPolicy: 'Always' }
    const spec: PodSpec = {
      restartPolicy: 'Never',
      initContainers: [app('init'), side],
      containers: [source, app('other')],
    }
    /** As it is when its status has been written. */
    const told = (one: PodView): PodView => ({ ...one, pod: { ...one.pod, status: status(one) } })

    test('ends those that run, tells of their end, forgets them, and starts from the first init container', () => {
      const first = [sandbox, exited('init', 0), exited('source', 42)]
      const running = [...first, instance({ name: 'side' }), instance({ name: 'other' })]
      expect(plan(told(view(spec, running)))).toEqual(['kill side', 'kill other'])
      const ended = view(spec, [...first, exited('side', 137), exited('other', 137)])
      expect(plan(ended)).toEqual([])
      expect(plan(told(ended))).toEqual(['forget init side other source'])
      const forgotten = { ...told(ended), observed: [sandbox] }
      expect(plan(forgotten)).toEqual(['start init 1'])
      const [{ lastState, restartCount } = {}] = status(forgotten).containerStatuses ?? []
      expect({ code: lastState?.terminated?.exitCode, restartCount }).toEqual({ code: 42, restartCount: 0 })
    })

    test('waits as any crash does', () => {
      const crashes = new Map([['source', { delayMs: 10_000, updatedAtMs: now - 5_000 }]])
      const source = exited('source', 42, { finishedAtMs: now - 6_000 })
      expect(plan(told(view(spec, [sandbox, source], { crashes })))).toEqual(['wait source'])
    })

    test('keeps the pod, whatever becomes of its other containers, when a sidecar has ended', () => {
      const sidecar = { ...source, name: 'side', restartPolicy: 'Always' }
      const one: PodSpec = {
        restartPolicy: 'Never',
        initContainers: [app('init'), sidecar],
        containers: [app('other')],
      }
      const ended = [sandbox, exited('init', 0), exited('side', 42), exited('other', 137)]
      expect(status(view(one, ended)).phase).toBe('Running')
      expect(plan(told(view(one, ended)))).toEqual(['forget init other side'])
      const starting = [sandbox, exited('init', 137), exited('side', 42)]
      expect(status(view(one, starting)).phase).toBe('Pending')
    })

    test('applies to an init container that may not fail otherwise', () => {
      const init: PodSpec = { ...spec, initContainers: [{ ...source, name: 'init' }], containers: [app('other')] }
      const one = told(view(init, [sandbox, exited('init', 42)]))
      expect(plan(one)).toEqual(['forget init'])
      expect(status(one).phase).toBe('Pending')
    })
  })

  test('crash back-off waits, says so and comes back in time', () => {
    const crashes = new Map([['a', { delayMs: 10_000, updatedAtMs: now - 5_000 }]])
    const one = view({ containers: [app('a')] }, [sandbox, exited('a', 1, { finishedAtMs: now - 6_000 })], { crashes })
    expect(plan(one)).toEqual(['wait a'])
    expect(decide(one, now).recheckAtMs).toBe(now + 4_000)
    expect(decide(one, now).actions[0]).toMatchObject({
      failure: {
        reason: 'CrashLoopBackOff',
        message: 'back-off 10s restarting failed container=a pod=web_default(u1)',
      },
    })
  })

  test('an end is shown for a moment before the wait that follows it', () => {
    const crashes = new Map([['a', { delayMs: 10_000, updatedAtMs: now - 1_000 }]])
    const one = view({ containers: [app('a')] }, [sandbox, exited('a', 1)], { crashes })
    expect(plan(one)).toEqual([])
    expect(decide(one, now).recheckAtMs).toBe(now + 4_000)
    expect(status(one).containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(1)
  })

  test.each(['startup', 'liveness'] as const)('a failed %s probe ends its container', (kind) => {
    const running = instance({ name: 'a' })
    const probes = new Map([[running.id, { [kind]: false }]])
    expect(plan(view({ containers: [app('a')] }, [sandbox, running], { probes }))).toEqual(['kill a'])
  })

  test('a pod that must end is ended once', () => {
    const stop = { atMs: now, graceMs: 1_000, finished: false }
    const running = [sandbox, instance({ name: 'a' }), instance({ name: 'b' })]
    expect(plan(view(two, running, { stop }))).toEqual(['stop deleted'])
    expect(plan(view(two, [exited('a', 0)], { stop: { ...stop, finished: true } }))).toEqual([])
  })

  test('a failed init container of a pod that never restarts fails the pod', () => {
    const spec: PodSpec = { restartPolicy: 'Never', initContainers: [app('i')], containers: [app('a')] }
    const one = view(spec, [sandbox, exited('i', 1)])
    expect(plan(one)).toEqual(['stop completed'])
    expect(status(view(spec, [exited('i', 1)])).phase).toBe('Failed')
  })
})

describe('status', () => {
  const one: PodSpec = { containers: [app('a')] }
  const conditions = (of: PodView) =>
    Object.fromEntries((status(of).conditions ?? []).map(({ type, status: is }) => [type, is]))

  test('a new pod is Pending and ContainerCreating', () => {
    const result = status(view(one, [], { podIp: undefined }))
    expect(result.phase).toBe('Pending')
    expect(result.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'ContainerCreating' } })
    expect(conditions(view(one, [], { podIp: undefined }))).toEqual({
      PodReadyToStartContainers: 'False',
      Initialized: 'True',
      Ready: 'False',
      ContainersReady: 'False',
      PodScheduled: 'True',
    })
  })

  test('a running pod is Ready once its readiness probe says so', () => {
    const running = instance({ name: 'a' })
    const probed: PodSpec = { containers: [{ ...app('a'), readinessProbe: { tcpSocket: { port: 1 } } }] }
    expect(conditions(view(one, [sandbox, running]))['Ready']).toBe('True')
    expect(conditions(view(probed, [sandbox, running]))['Ready']).toBe('False')
    const probes = new Map([[running.id, { readiness: true }]])
    expect(conditions(view(probed, [sandbox, running], { probes }))['Ready']).toBe('True')
  })

  test('readiness gates are waited for', () => {
    const gated: PodSpec = { ...one, readinessGates: [{ conditionType: 'example.com/ok' }] }
    const ready = status(view(gated, [sandbox, instance({ name: 'a' })])).conditions?.find((c) => c.type === 'Ready')
    expect(ready).toMatchObject({
      reason: 'ReadinessGatesNotReady',
      message: 'corresponding condition of pod readiness gate "example.com/ok" does not exist.',
    })
  })

  test('a crashing container waits, and its end is its last state', () => {
    const failures = new Map([['a', { reason: 'CrashLoopBackOff', message: 'back-off' }]])
    const [container] =
      status(view(one, [sandbox, exited('a', 3, { attempt: 2 })], { failures })).containerStatuses ?? []
    expect(container).toMatchObject({
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 3, reason: 'Error' } },
      restartCount: 2,
      ready: false,
    })
  })

  test('OOMKilled and StartError are told apart from a plain failure', () => {
    const never: PodSpec = { ...one, restartPolicy: 'Never' }
    const reason = (of: RuntimeContainer) => status(view(never, [of])).containerStatuses?.[0]?.state?.terminated?.reason
    expect(reason(exited('a', 137, { oomKilled: true }))).toBe('OOMKilled')
    expect(reason(exited('a', 127, { startedAtMs: 0, error: 'no such file' }))).toBe('StartError')
  })

  test.each([
    [0, 'Succeeded'],
    [1, 'Failed'],
  ])('a pod that never restarts and ended with %i has %s', (code, phase) => {
    expect(status(view({ ...one, restartPolicy: 'Never' }, [exited('a', code)])).phase).toBe(phase)
  })

  test('a terminal phase never changes, whatever is observed', () => {
    fc.assert(
      fc.property(fc.constantFrom('Succeeded', 'Failed'), fc.boolean(), fc.nat(255), (phase, running, code) => {
        const base = view(one, [sandbox, running ? instance({ name: 'a' }) : exited('a', code)])
        const pod = { ...base.pod, status: { phase } }
        expect(status({ ...base, pod }).phase).toBe(phase)
      }),
    )
  })

  test('no phase is terminal while a container runs', () => {
    const stop = { atMs: now, graceMs: 0, finished: false, failure: { reason: 'DeadlineExceeded', message: 'm' } }
    const result = status(view(one, [sandbox, instance({ name: 'a' })], { stop }))
    expect(result).toMatchObject({ phase: 'Pending', reason: 'DeadlineExceeded' })
  })
})

describe('crash back-off', () => {
  test('doubles from 10 s to 300 s and starts over after ten healthy minutes', () => {
    let backoff = nextBackoff(undefined, now, now)
    const delays = [backoff.delayMs]
    for (let restart = 0; restart < 6; restart++) delays.push((backoff = nextBackoff(backoff, now, now)).delayMs)
    expect(delays).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
    expect(nextBackoff(backoff, now + 600_001, now + 600_001).delayMs).toBe(10_000)
  })

  test('never waits longer than its delay, also when the clock was set back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 0, max: 300_000 }), (shift, delayMs) => {
        const left = backoffRemainingMs({ delayMs, updatedAtMs: now }, now, now + shift)
        expect(left).toBeGreaterThanOrEqual(0)
        expect(left).toBeLessThanOrEqual(delayMs)
      }),
    )
  })

  test.each([
    [10_000, '10s'],
    [160_000, '2m40s'],
    [300_000, '5m0s'],
  ])('%i ms is written %s', (ms, text) => {
    expect(goDuration(ms)).toBe(text)
  })
})
