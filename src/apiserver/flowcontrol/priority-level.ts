import type { PriorityLevelConfiguration } from '../../api/kinds.ts'
import { dealHand } from './shuffle-sharding.ts'

/** One request that wants seats. */
export interface Ticket {
  readonly seats: number
  /** Called with the seats taken; exactly one of the two is called, once. */
  admit(): void
  refuse(reason: RejectReason): void
}

export type RejectReason = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled'

/** A ticket in its place; gives up its place, or its seats, when told. */
export interface Place {
  /** Leaves the queue. Does nothing once admitted. */
  leave(reason: RejectReason): void
  /** Gives the seats back, `usedSeconds` after they were taken. */
  done(usedSeconds: number): void
}

interface Queue {
  waiting: Waiting[]
  /** Seats that its requests have now. */
  taken: number
  /** Virtual time: seat-seconds that it has had, as if it had been served like all others since it was last idle. */
  used: number
}

interface Waiting {
  readonly ticket: Ticket
  readonly queue: Queue
}

/** How many seats a level may have now. */
export interface SeatBroker {
  /** Whether `seats` more may be taken by the level that has `taken` and is due `nominal`. */
  mayTake(level: PriorityLevel, seats: number): boolean
}

/** What a request that has its seats is taken to cost until it is known. */
const estimatedSeconds = 1

/** When the queue's next request starts, in virtual time. */
const startOf = ({ used, taken }: Queue): number => used + taken * estimatedSeconds

/**
 * The seats and queues of one priority level. Queues are served by start-time fair queuing (Goyal, Vin and Cheng,
 * 1996): each by the seat-seconds that it has used, so that a flow of a thousand requests gets no more than one of two.
 * No clock and no timer: who waits is told to go by whoever calls.
 */
export class PriorityLevel {
  readonly name: string
  taken = 0
  waiting = 0
  nominal = 0
  /** Seats that others may have while they are idle here. */
  lendable = 0
  /** Seats that it may have beyond its nominal ones. */
  borrowable = Infinity
  #spec: PriorityLevelConfiguration['spec']
  #queues: Queue[] = []
  #virtualTime = 0
  #lastServed = 0
  readonly #broker: SeatBroker

  constructor(name: string, broker: SeatBroker) {
    this.name = name
    this.#broker = broker
  }

  get isExempt(): boolean {
    return this.#spec?.type === 'Exempt'
  }

  configure(spec: PriorityLevelConfiguration['spec'], nominal: number): void {
    this.#spec = spec
    this.nominal = nominal
    const { lendablePercent = 0, borrowingLimitPercent } = spec?.limited ?? {}
    this.lendable = Math.round((nominal * lendablePercent) / 100)
    this.borrowable =
      borrowingLimitPercent === undefined ? Infinity : Math.round((nominal * borrowingLimitPercent) / 100)
    const wanted = spec?.limited?.limitResponse?.queuing?.queues ?? 0
    while (this.#queues.length < wanted) this.#queues.push({ waiting: [], taken: 0, used: this.#virtualTime })
    // Queues that are to go are emptied first: nothing is put into them any more.
  }

  /** Takes seats at once, queues the ticket under its flow, or refuses it. */
  enter(ticket: Ticket, flow: string): Place {
    const { limitResponse } = this.#spec?.limited ?? {}
    if (this.isExempt || limitResponse?.type !== 'Queue') {
      if (!this.isExempt && !this.#broker.mayTake(this, ticket.seats)) {
        ticket.refuse('concurrency-limit')
        return nowhere
      }
      this.taken += ticket.seats
      ticket.admit()
      return { leave: () => undefined, done: () => this.#giveBack(ticket.seats) }
    }
    const { queues = 64, handSize = 8, queueLengthLimit = 50 } = limitResponse.queuing ?? {}
    const hand = dealHand(flow, queues, handSize).map((index) => this.#queues[index]!)
    const queue = hand.reduce((best, one) => (one.waiting.length < best.waiting.length ? one : best))
    if (queue.waiting.length >= queueLengthLimit) {
      ticket.refuse('queue-full')
      return nowhere
    }
    // What an idle queue had before is neither owed nor saved up: it begins where the least served of the others is.
    if (queue.waiting.length === 0)
      queue.used = queue.taken === 0 ? this.#leastUsed() : Math.max(queue.used, this.#leastUsed())
    const waiting = { ticket, queue }
    queue.waiting.push(waiting)
    this.waiting++
    this.dispatch()
    return {
      leave: (reason) => {
        const at = queue.waiting.indexOf(waiting)
        if (at === -1) return
        queue.waiting.splice(at, 1)
        this.waiting--
        ticket.refuse(reason)
      },
      done: (usedSeconds) => {
        queue.taken -= ticket.seats
        queue.used += ticket.seats * usedSeconds
        this.#giveBack(ticket.seats)
      },
    }
  }

  /** Lets in who may, the queue that has had least first. */
  dispatch(): void {
    while (this.waiting > 0) {
      const next = this.#nextQueue()
      const first = next?.waiting[0]
      if (!next || !first || !this.#broker.mayTake(this, first.ticket.seats)) return
      this.#lastServed = this.#queues.indexOf(next)
      next.waiting.shift()
      this.waiting--
      this.taken += first.ticket.seats
      this.#virtualTime = next.used
      next.taken += first.ticket.seats
      first.ticket.admit()
    }
  }

  /** The queue that has had least; of several the next in turn, so that none is always the last. */
  #nextQueue(): Queue | undefined {
    let next: Queue | undefined
    for (let step = 1; step <= this.#queues.length; step++) {
      const queue = this.#queues[(this.#lastServed + step) % this.#queues.length]!
      if (queue.waiting.length > 0 && (!next || startOf(queue) < startOf(next))) next = queue
    }
    return next
  }

  /** Of the queue that has had least of those that wait; where none does, of the one that was served last. */
  #leastUsed(): number {
    const used = this.#queues.filter(({ waiting }) => waiting.length > 0).map((queue) => queue.used)
    return used.length > 0 ? Math.min(...used) : this.#virtualTime
  }

  #giveBack(seats: number): void {
    this.taken -= seats
  }
}

const nowhere: Place = { leave: () => undefined, done: () => undefined }
