import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pod, Secret } from '../../../src/api/kinds.ts'
import { refs } from '../../../src/client/client.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { systemClock } from '../../../src/lib/system.ts'
import { isReady, nodeFixture, type AgentHands, type NodeFixture } from './node-fixture.ts'

/** Long waits, such as that before what nobody owns is removed, pass faster; short ones are as they are. */
const clock: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs >= 20_000 ? delayMs / 20 : delayMs, run),
}

/** What changes the machine or the API. The agent dies before it or right after it, and does nothing from then on. */
const steps = ['attach', 'runSandbox', 'createContainer', 'start', 'stop', 'detach', 'remove', 'delete'] as const
type Step = (typeof steps)[number]

interface Death {
  readonly step: Step
  readonly when: 'before' | 'after'
}

let node: NodeFixture
let death: Death | undefined
let died = Promise.withResolvers<void>()

const never = new Promise<never>(() => {})

/** One agent's hands. They are cut off at the step of `death`, for good. */
function mortal(hands: AgentHands): AgentHands {
  let dead = false
  const kill = (): Promise<never> => {
    dead = true
    death = undefined
    died.resolve()
    return never
  }
  const cut = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          const isStep = death?.step === name
          if (dead) return never
          if (isStep && death?.when === 'before') return kill()
          const result: unknown = value.apply(target, args)
          if (!(result instanceof Promise)) return result
          return result.then(
            (answer) => (dead ? never : isStep ? kill() : answer),
            (error: unknown) => (dead ? never : Promise.reject(error as Error)),
          )
        }
      },
    })
  return { runtime: cut(hands.runtime), network: cut(hands.network), client: cut(hands.client) }
}

beforeAll(async () => {
  node = await nodeFixture('10.251.11', 2, { clock, between: mortal })
  node.cluster.put<Secret>(refs.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'keys', namespace: 'default' },
    data: { key: 'a2V5' },
  })
}, 60_000)

afterAll(async () => {
  await node?.down()
}, 60_000)

const spec: Pod['spec'] = {
  initContainers: [{ name: 'first', image: 'busybox:1', command: ['true'] }],
  containers: [
    {
      name: 'main',
      image: 'busybox:1',
      command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'],
      volumeMounts: [
        { name: 'ram', mountPath: '/ram' },
        { name: 'keys', mountPath: '/keys' },
      ],
    },
  ],
  volumes: [
    { name: 'ram', emptyDir: { medium: 'Memory' } },
    { name: 'keys', secret: { secretName: 'keys' } },
  ],
}

/** All that is left of pods on the machine. */
async function left() {
  const root = join(node.machine.directory, 'kubelet')
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((one) => one.includes(`${root}/pods`))
  const folders = await Promise.all(['pods', 'memory'].map((one) => readdir(join(root, one))))
  const containers = await node.machine.docker('ps', '-aq', '--filter', 'name=k8s_')
  return { containers, networks: await node.network.list(), mounts, folders: folders.flat() }
}

const nothing = { containers: '', networks: [], mounts: [], folders: [] }

describe('an agent that is killed leaves nothing behind', () => {
  // Before a step is after the one that precedes it: only the first is tried from both sides.
  const starting = ['before runSandbox', 'after runSandbox', 'after attach', 'after createContainer', 'after start']
  const ending = ['after stop', 'after detach', 'after remove', 'after delete']

  const run = async (name: string, where: string, isStarting: boolean) => {
    const [when, step] = where.split(' ') as [Death['when'], Step]
    died = Promise.withResolvers()
    if (isStarting) death = { step, when }
    node.run(name, structuredClone(spec)!)
    if (!isStarting) {
      await node.until(name, 'ready', isReady)
      death = { step, when }
      await node.cluster.client.delete(refs.pods, 'default', name)
    }
    await died.promise
    await node.replaceAgent()
    if (isStarting) {
      await node.until(name, 'ready', isReady)
      await node.cluster.client.delete(refs.pods, 'default', name)
    }
    await node.until(name, 'gone', (pod) => pod === undefined)
    await expect.poll(left, { timeout: 20_000, interval: 100 }).toEqual(nothing)
  }

  const nameOf = (where: string): string => where.replace(' ', '-').toLowerCase()
  test.each(starting)('%s of a pod that starts', (where) => run(`start-${nameOf(where)}`, where, true))
  test.each(ending)('%s of a pod that ends', (where) => run(`end-${nameOf(where)}`, where, false))
})
