import type { Pod } from '../api/kinds.ts'
import { createFencing, isUnique, type Fencing } from '../agent/fencing.ts'
import { refs, type Client } from '../client/client.ts'
import type { Change, Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { PodLedger } from './pod-ledger.ts'
import { endedStatus, runningStatus } from './simulated-status.ts'
import { registerNode } from './simulated-registration.ts'

/** How long images, sandboxes and containers take here, and how long a pod takes to end. */
const startMs = 1_200
const stopMs = 800
/** Pods that are not restarted have done their work after this long. */
const workMs = 5_000
const heartbeatMs = 5_000
/** Addresses of a node's pods: the last part, from and up to. */
const addresses = { first: 2, last: 254 }

export interface SimulatedKubeletParts {
  clock: Clock
  client: Client
  informers: Informers
  decisions: DecisionLog
  ledger: PodLedger
  self: string
  number: number
}

/**
 * Does to the API what a kubelet does, with time alone in place of containers: registers its node, runs the pods that
 * are bound to it, takes them away when they are deleted, and fences itself by the production code. It ends with its clock.
 */
export async function keepNode(parts: SimulatedKubeletParts): Promise<void> {
  const { clock, informers, decisions, self } = parts
  const kubelet = new SimulatedKubelet(parts)
  const fencing = createFencing({
    nodeName: self,
    informers,
    leaseSinceMs: () => decisions.leaseSinceMs(),
    isAlone: () => decisions.members().length <= 1,
    fail: (uid, { reason, message }, graceMs) => kubelet.fail(uid, reason, message, graceMs),
    clock,
    logger: silentLogger,
  })
  kubelet.fencing = fencing
  informers.for<Pod>(refs.pods).onChange((change) => kubelet.changed(change))
  const beat = (): void => {
    registerNode(parts).catch(() => undefined)
    kubelet.lookAtAll()
    clock.after(heartbeatMs, beat)
  }
  clock.after(500, beat)
  await fencing.start()
}

class SimulatedKubelet {
  fencing: Fencing | undefined
  readonly #parts: SimulatedKubeletParts
  /** Work under way: a uid and what is done to it. */
  readonly #busy = new Set<string>()
  /** Pods that the node gave up, by uid: why. */
  readonly #failed = new Map<string, { reason: string; message: string }>()
  #lastAddress = addresses.first - 1

  constructor(parts: SimulatedKubeletParts) {
    this.#parts = parts
  }

  changed({ object, previous }: Change<Pod>): void {
    if (object) this.#look(object)
    if (!previous || previous.metadata.uid === object?.metadata.uid) return
    this.#failed.delete(uidOf(previous))
    this.#end(uidOf(previous))
  }

  lookAtAll(): void {
    const { informers, ledger, self } = this.#parts
    const pods = informers.for<Pod>(refs.pods).list()
    for (const pod of pods) this.#look(pod)
    const bound = new Set(pods.filter(({ spec }) => spec?.nodeName === self).map(uidOf))
    for (const { uid } of ledger.on(self)) if (!bound.has(uid)) this.#end(uid)
  }

  fail(uid: string, reason: string, message: string, graceMs: number): void {
    if (this.#failed.has(uid)) return
    this.#failed.set(uid, { reason, message })
    this.#soon(uid, 'fail', Math.min(graceMs, stopMs), async () => {
      this.#parts.ledger.stop(uid)
      const pod = this.#current(uid)
      if (pod) this.#look(pod)
    })
  }

  #current(uid: string): Pod | undefined {
    return this.#parts.informers
      .for<Pod>(refs.pods)
      .list()
      .find((pod) => uidOf(pod) === uid)
  }

  #soon(uid: string, what: string, delayMs: number, work: () => Promise<unknown>): void {
    const key = `${uid} ${what}`
    if (this.#busy.has(key)) return
    this.#busy.add(key)
    this.#parts.clock.after(delayMs, () => {
      const over = () => void this.#busy.delete(key)
      work().then(over, over)
    })
  }

  #look(pod: Pod): void {
    const { self, ledger } = this.#parts
    if (pod.spec?.nodeName !== self) return
    const uid = uidOf(pod)
    const { phase } = pod.status ?? {}
    if (pod.metadata.deletionTimestamp) {
      this.#soon(uid, 'end', ledger.get(uid) ? stopMs : 0, () => this.#remove(pod))
    } else if (phase === 'Succeeded' || phase === 'Failed') {
      ledger.stop(uid)
    } else if (this.#failed.has(uid)) {
      if (!ledger.get(uid)) this.#soon(uid, 'report', 0, () => this.#reportFailed(pod))
    } else if (!ledger.get(uid)) {
      this.#soon(uid, 'start', startMs, () => this.#start(uid))
    } else if (phase !== 'Running' || !isReady(pod)) {
      // A leader that does not reach the node says that its pods are not ready: the kubelet knows better.
      this.#soon(uid, 'report', 0, () => this.#reportRunning(pod))
    } else if (pod.spec?.restartPolicy !== 'Always') {
      this.#soon(uid, 'finish', workMs, () => this.#finish(pod))
    }
  }

  async #start(uid: string): Promise<void> {
    const { ledger, self, informers } = this.#parts
    const pod = this.#current(uid)
    if (!pod || pod.metadata.deletionTimestamp || this.#failed.has(uid) || ledger.get(uid)) return
    const { namespace = '', name = '' } = pod.metadata
    const isItsNameUnique = isUnique(pod, (space, claim) =>
      informers.for(refs.persistentVolumeClaims).get(space, claim),
    )
    if (this.fencing?.mayStart(pod) !== true) return
    const fullName = `${namespace}/${name}`
    // An earlier pod of this name has not ended yet.
    if (ledger.on(self).some((one) => one.name === fullName)) return
    ledger.start({ node: self, uid, name: fullName, ip: this.#freeAddress(), isUnique: isItsNameUnique })
    await this.#reportRunning(pod)
  }

  /** One of the node's range that no pod of it has, in turn, so that one that was given back rests. */
  #freeAddress(): string {
    const { ledger, self, number } = this.#parts
    const taken = new Set(ledger.on(self).map(({ ip }) => ip))
    for (;;) {
      this.#lastAddress = this.#lastAddress >= addresses.last ? addresses.first : this.#lastAddress + 1
      const ip = `10.244.${number}.${this.#lastAddress}`
      if (!taken.has(ip)) return ip
    }
  }

  /** Its object has gone. */
  #end(uid: string): void {
    if (this.#parts.ledger.get(uid)) this.#soon(uid, 'end', stopMs, async () => this.#parts.ledger.stop(uid))
  }

  async #remove({ metadata }: Pod): Promise<void> {
    this.#parts.ledger.stop(metadata.uid ?? '')
    await this.#parts.client.delete(refs.pods, metadata.namespace ?? '', metadata.name ?? '', { gracePeriodSeconds: 0 })
  }

  async #finish(pod: Pod): Promise<void> {
    this.#parts.ledger.stop(uidOf(pod))
    await this.#report(pod, (current) => endedStatus(current, this.#parts.clock.nowMs(), 'Succeeded'))
  }

  #reportFailed(pod: Pod): Promise<unknown> {
    const why = this.#failed.get(uidOf(pod))
    return this.#report(pod, (current) => ({ ...endedStatus(current, this.#parts.clock.nowMs(), 'Failed'), ...why }))
  }

  async #reportRunning(pod: Pod): Promise<void> {
    const running = this.#parts.ledger.get(uidOf(pod))
    if (!running) return
    const hostIp = `192.0.2.${this.#parts.number}`
    await this.#report(pod, (current) => runningStatus(current, this.#parts.clock.nowMs(), running.ip, hostIp))
  }

  async #report(pod: Pod, statusOf: (current: Pod) => Pod['status']): Promise<void> {
    const { namespace = '', name = '' } = pod.metadata
    await this.#parts.client.mutate<Pod>(
      refs.pods,
      namespace,
      name,
      (current) => (uidOf(current) === uidOf(pod) ? { ...current, status: statusOf(current) } : undefined),
      { subresource: 'status' },
    )
  }
}

const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: holds }) => type === 'Ready' && holds === 'True') === true

const uidOf = ({ metadata }: Pod): string => metadata.uid ?? ''
