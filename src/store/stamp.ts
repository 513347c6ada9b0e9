import type { Clock } from '../lib/clock.ts'
import type { Stamp } from './decided.ts'

/** Time part of a stamp: 9 digits of milliseconds and 3 of a logical counter, base 36, so that text order is time order. */
export type Moment = string

export const momentLength = 12
const msDigits = 9
const logicalDigits = 3
const writerDigits = 8
const logicalLimit = 36 ** logicalDigits

/**
 * Who wrote: a node in one life of its process. A number below 2^40 that is never used twice, for it is the Yjs client
 * id as well: two operations of one client with one clock would be taken for the same.
 */
export type WriterId = number

/** Bits of a writer id that count boots; the rest is the node's number. */
const bootBits = 24

/** `boot` is 1 … 2^24−1, and never the same twice for one node. */
export function writerId(nodeNumber: number, boot: number): WriterId {
  return nodeNumber * 2 ** bootBits + boot
}

export function nodeOfWriter(writer: WriterId): number {
  return Math.floor(writer / 2 ** bootBits)
}

const digits = (value: number, width: number): string => value.toString(36).padStart(width, '0')

export function momentOf(ms: number, logical: number): Moment {
  return digits(ms, msDigits) + digits(logical, logicalDigits)
}

/** A stamp is a moment and its writer: no two writes in the cluster share one, and text order is a total order. */
export function stampOf(moment: Moment, writer: WriterId): Stamp {
  return moment + digits(writer, writerDigits)
}

export const momentOfStamp = (stamp: Stamp): Moment => stamp.slice(0, momentLength)

/** Wall-clock part of a stamp or moment, Unix ms. */
export const msOfStamp = (stamp: Stamp | Moment): number => Number.parseInt(stamp.slice(0, msDigits), 36)

export const writerOfStamp = (stamp: Stamp): WriterId => Number.parseInt(stamp.slice(momentLength), 36)

const momentForm = /^[0-9a-z]{12}$/

/** True for text that is safe to compare as a moment. */
export const isMoment = (text: string): boolean => momentForm.test(text)

/**
 * Hybrid logical clock (Kulkarni et al., 2014): close to the wall clock, yet every stamp issued exceeds every one
 * merged before it, so that who had seen a value always outranks it.
 */
export interface StampClock {
  /** A moment above all that were issued or merged. */
  issue(): Moment
  /** Takes note of another's stamp. */
  merge(stamp: Stamp | Moment): void
  /** False for a stamp so far in the future that its writer's clock must be wrong. */
  plausible(stamp: Stamp | Moment): boolean
}

/** `maxDriftMs` bounds how far ahead of this machine's clock another's stamp may be and still be accepted. */
export function stampClock(clock: Clock, maxDriftMs: number): StampClock {
  let lastMs = 0
  let lastLogical = 0
  return {
    issue() {
      const nowMs = Math.floor(clock.nowMs())
      if (nowMs > lastMs) {
        lastMs = nowMs
        lastLogical = 0
      } else if (lastLogical + 1 < logicalLimit) {
        lastLogical += 1
      } else {
        lastMs += 1
        lastLogical = 0
      }
      return momentOf(lastMs, lastLogical)
    },
    merge(stamp) {
      const ms = msOfStamp(stamp)
      const logical = Number.parseInt(stamp.slice(msDigits, momentLength), 36)
      if (ms > lastMs || (ms === lastMs && logical > lastLogical)) {
        lastMs = ms
        lastLogical = logical
      }
    },
    plausible: (stamp) => msOfStamp(stamp) <= clock.nowMs() + maxDriftMs,
  }
}
