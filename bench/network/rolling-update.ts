import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { text } from 'node:stream/consumers'
import type { EndpointSlice } from '../../src/api/kinds.ts'
import { refs } from '../../src/client/client.ts'
import type { BenchOptions, Row } from '../bench.ts'
import { programLine } from './program.ts'
import type { RollingFigures } from './rolling-client.ts'
import { clusterIpOf, endpointPort, sliceOf, startRules } from './rules-lab.ts'

const replicas = 3
/** Between a pod's leaving the service and its end: what is idle is asked meanwhile. */
const settleMs = 2_000
const drainMs = 120_000

/**
 * Connections through a ClusterIP while the servers behind it are replaced one by one. None may be reset: neither the idle
 * ones of a server that has left the service, nor those of one that drains.
 */
export async function measureRollingUpdate({ connections, signal, progress }: BenchOptions): Promise<Row[]> {
  progress(`rolling update under ${connections} connections`)
  const lab = await startRules(1)
  const [program = '', ...enter] = lab.enter
  const children = new Set<ChildProcess>()
  const start = async (name: string, ...args: string[]): Promise<ChildProcess> => {
    const child = spawn(program, [...enter, ...programLine(name, ...args)], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.add(child)
    child.on('exit', () => children.delete(child))
    await once(child.stdout!, 'data', { signal })
    return child
  }
  const startServer = (address: string) => start('rolling-server', address, String(endpointPort))
  const publish = async (ready: readonly string[], leaving: readonly string[]): Promise<void> => {
    lab.informers.put(refs.endpointSlices, rollingSlice(ready, leaving))
    await lab.proxy.flush()
  }
  try {
    const old = Array.from({ length: replicas }, (_, index) => `10.244.7.${index + 1}`)
    const servers = new Map<string, ChildProcess>()
    for (const address of old) servers.set(address, await startServer(address))
    await publish(old, [])
    const client = await start('rolling-client', clusterIpOf(0), '80', String(connections))
    const said = text(client.stdout!)
    let ready = [...old]
    for (const [index, address] of old.entries()) {
      signal.throwIfAborted()
      const next = `10.244.8.${index + 1}`
      servers.set(next, await startServer(next))
      ready = [...ready.filter((one) => one !== address), next]
      await publish(ready, [address])
      await sleep(settleMs)
      const leaving = servers.get(address)!
      leaving.kill('SIGTERM')
      await once(leaving, 'exit', { signal: AbortSignal.any([signal, AbortSignal.timeout(drainMs)]) })
      await publish(ready, [])
    }
    client.kill('SIGTERM')
    const { opened, drained, reset, refused, silent } = JSON.parse(await said) as RollingFigures
    const row = (what: string, value: number, goal?: Row['goal']): Row => ({
      what: `rolling update, connections ${what}`,
      value,
      unit: '',
      goal,
    })
    const none = { of: 'value', atMost: 0 } as const
    return [row('opened', opened), row('drained', drained), row('lost', reset + refused + silent, none)]
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await lab.stop()
  }
}

function rollingSlice(ready: readonly string[], leaving: readonly string[]): EndpointSlice {
  return {
    ...sliceOf(0, 0),
    endpoints: [
      ...ready.map((address) => ({ addresses: [address], conditions: { ready: true, serving: true } })),
      ...leaving.map((address) => ({
        addresses: [address],
        conditions: { ready: false, serving: true, terminating: true },
      })),
    ],
  }
}
