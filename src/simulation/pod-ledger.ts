/** A pod whose processes run on a machine. */
export interface RunningPod {
  readonly node: string
  readonly uid: string
  /** `namespace/name` */
  readonly name: string
  readonly ip: string
  /** Its name must not run twice: a StatefulSet's. */
  readonly isUnique: boolean
}

/**
 * What really runs on the machines of a simulated cluster, whatever any replica says of it: the judge of what must
 * never run twice.
 */
export class PodLedger {
  readonly #byUid = new Map<string, RunningPod>()
  readonly #problem: (invariant: string, what: string) => void
  readonly #isHung: (node: string) => boolean
  /** Pods that were started since the beginning. */
  started = 0

  constructor(problem: (invariant: string, what: string) => void, isHung: (node: string) => boolean) {
    this.#problem = problem
    this.#isHung = isHung
  }

  start(pod: RunningPod): void {
    this.started += 1
    for (const other of this.#byUid.values()) {
      // A machine that hangs runs nothing; what it does for a moment when it goes on is not promised.
      if (other.uid === pod.uid || this.#isHung(other.node)) continue
      if (other.ip === pod.ip) {
        this.#problem('a pod IP is given once', `${pod.ip}: ${other.name} on ${other.node}, ${pod.name} on ${pod.node}`)
      }
      if (pod.isUnique && other.isUnique && other.name === pod.name) {
        this.#problem('a StatefulSet pod runs once', `${pod.name} on ${other.node} and on ${pod.node}`)
      }
    }
    this.#byUid.set(pod.uid, pod)
  }

  stop(uid: string): void {
    this.#byUid.delete(uid)
  }

  /** The machine is off: nothing of it runs. */
  powerOff(node: string): void {
    for (const pod of this.on(node)) this.#byUid.delete(pod.uid)
  }

  get(uid: string): RunningPod | undefined {
    return this.#byUid.get(uid)
  }

  on(node: string): RunningPod[] {
    return [...this.#byUid.values()].filter((pod) => pod.node === node)
  }

  all(): RunningPod[] {
    return [...this.#byUid.values()]
  }
}
