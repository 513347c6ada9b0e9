import { connect } from 'node:net'
import type { Probe } from '../../api/kinds.ts'
import { underSignals } from '../../lib/under-signals.ts'
import type { ContainerRuntime } from '../../runtime/runtime.ts'
import type { AnyContainer } from '../core/pod-view.ts'
import { grpcHealth } from './grpc-health.ts'
import { dialMessage, httpGet, resolvePort } from './http-get.ts'

export interface CheckResult {
  readonly ok: boolean
  readonly output: string
  /** The check itself could not be made; upstream says "errored". */
  readonly errored?: boolean
}

export interface CheckTarget {
  readonly runtime: ContainerRuntime
  readonly container: AnyContainer
  readonly containerId: string
  /** Address of the pod. */
  readonly host: string
}

/** Output of exec probes that is kept (upstream maxProbeOutput). */
const maxOutputBytes = 10 * 1024
const userAgent = 'kube-probe/1.36'

/** Makes one check of a probe; never throws. */
export async function check(probe: Probe, target: CheckTarget, stop: AbortSignal): Promise<CheckResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000
  try {
    return await underSignals([stop], (signal) => checkWithin(probe, target, timeoutMs, signal), timeoutMs)
  } catch (error) {
    const http = probe.httpGet !== undefined
    return { ok: false, output: (error as Error).message, errored: !http }
  }
}

async function checkWithin(
  probe: Probe,
  target: CheckTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  if (probe.exec) return await checkExec(probe.exec.command ?? [], target, timeoutMs, signal)
  if (probe.httpGet) {
    const port = resolvePort(probe.httpGet.port, target.container.ports)
    const host = probe.httpGet.host || target.host
    const answer = await httpGet(probe.httpGet, host, port, userAgent, signal)
    const ok = answer.statusCode >= 200 && answer.statusCode < 400
    return { ok, output: ok ? answer.body : `HTTP probe failed with statuscode: ${answer.statusCode}` }
  }
  if (probe.tcpSocket) {
    const port = resolvePort(probe.tcpSocket.port, target.container.ports)
    return await checkTcp(probe.tcpSocket.host || target.host, port, timeoutMs)
  }
  if (probe.grpc) {
    const failure = await grpcHealth(target.host, probe.grpc.port, probe.grpc.service ?? '', timeoutMs)
    return { ok: failure === undefined, output: failure ?? '' }
  }
  return { ok: false, output: 'missing probe handler', errored: true }
}

async function checkExec(
  command: readonly string[],
  target: CheckTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  try {
    const result = await target.runtime.execSync(target.containerId, command, maxOutputBytes, signal)
    return { ok: result.exitCode === 0, output: result.output }
  } catch (error) {
    if (!signal.aborted) throw error
    return {
      ok: false,
      output: `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${timeoutMs / 1000}s`,
    }
  }
}

function checkTcp(host: string, port: number, timeoutMs: number): Promise<CheckResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const end = (result: CheckResult): void => {
      socket.destroy()
      resolve(result)
    }
    socket.on('connect', () => end({ ok: true, output: '' }))
    socket.on('timeout', () => end({ ok: false, output: `dial tcp ${host}:${port}: i/o timeout` }))
    socket.on('error', (error) =>
      end({ ok: false, output: dialMessage(error, { hostname: host, port: String(port) }) }),
    )
  })
}
