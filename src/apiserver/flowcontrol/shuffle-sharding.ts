import { createHash } from 'node:crypto'

/**
 * The hand of a flow: `handSize` different queues of `queues`, always the same for one flow. Two flows share all of
 * their queues so rarely that a flood, which fills its own hand, leaves nearly everybody else one that is free
 * (KEP-1040 "shuffle sharding"). Pure.
 */
export function dealHand(flow: string, queues: number, handSize: number): number[] {
  let rest = createHash('sha256').update(flow).digest().readBigUInt64BE()
  const left = Array.from({ length: queues }, (_, index) => index)
  const hand: number[] = []
  for (let card = 0; card < Math.min(handSize, queues); card++) {
    const size = BigInt(left.length)
    hand.push(...left.splice(Number(rest % size), 1))
    rest /= size
  }
  return hand
}
