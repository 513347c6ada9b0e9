import type { LifecycleHandler } from '../../api/kinds.ts'
import type { Clock } from '../../lib/clock.ts'
import { sleep } from '../../lib/sleep.ts'
import type { ContainerRuntime } from '../../runtime/runtime.ts'
import type { AnyContainer } from '../core/pod-view.ts'
import { httpGet, resolvePort } from '../probes/http-get.ts'

const maxOutputBytes = 4 * 1024

export interface HookTarget {
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly container: AnyContainer
  readonly containerId: string
  readonly host: string
}

/** Runs a postStart or preStop handler; throws when it fails. */
export async function runHook(handler: LifecycleHandler, target: HookTarget, signal: AbortSignal): Promise<void> {
  if (handler.exec) {
    const command = handler.exec.command ?? []
    const { exitCode, output } = await target.runtime.execSync(target.containerId, command, maxOutputBytes, signal)
    if (exitCode !== 0) {
      throw new Error(`command '${command.join(' ')}' exited with ${exitCode}: ${output}`)
    }
  } else if (handler.httpGet) {
    const port = resolvePort(handler.httpGet.port, target.container.ports)
    const host = handler.httpGet.host || target.host
    const { statusCode } = await httpGet(handler.httpGet, host, port, 'kube-lifecycle/1.36', signal)
    if (statusCode >= 400) throw new Error(`http hook failed with statuscode: ${statusCode}`)
  } else if (handler.sleep) {
    await sleep(target.clock, handler.sleep.seconds * 1000, signal).catch(() => {
      throw new Error('the grace period is over')
    })
  }
  // tcpSocket is accepted by the API and does nothing, as upstream says.
}
