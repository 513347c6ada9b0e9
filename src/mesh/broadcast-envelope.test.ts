import { expect, test } from 'vitest'
import { createSealer, createVerifier, openEnvelope } from './broadcast-envelope.ts'
import { createIdentity, decodeIdentity, peerIdOf } from './identity.ts'

test('a broadcast is its author’s, byte for byte', async () => {
  const identity = await createIdentity()
  const author = peerIdOf(identity)
  const other = peerIdOf(await createIdentity())
  const seal = createSealer(author, decodeIdentity(identity), new Uint8Array(8).fill(1))
  const sealed = seal(new TextEncoder().encode('state'))
  const { verify } = createVerifier()

  const envelope = openEnvelope(sealed)
  expect(envelope?.author).toBe(author)
  expect(new TextDecoder().decode(envelope?.data)).toBe('state')
  expect(verify(author, sealed)).toBe(true)
  expect(verify(other, sealed)).toBe(false)
  for (const position of [2, 60, sealed.length - 66, sealed.length - 1]) {
    const forged = sealed.slice()
    forged[position] = (forged[position] ?? 0) ^ 1
    expect(verify(author, forged)).toBe(false)
  }
  expect(openEnvelope(sealed.subarray(0, 40))).toBeUndefined()
})

test('equal payloads are different messages', async () => {
  const identity = await createIdentity()
  const seal = createSealer(peerIdOf(identity), decodeIdentity(identity), new Uint8Array(8))
  const data = new Uint8Array([1])
  expect(Buffer.compare(seal(data), seal(data))).not.toBe(0)
})
