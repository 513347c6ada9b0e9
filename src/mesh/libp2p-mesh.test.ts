import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { meshContract, type MeshFixture } from '../../test/support/mesh-contract.ts'
import { silentLogger } from '../lib/log.ts'
import { systemClock, systemRandom } from '../lib/system.ts'
import { createIdentity } from './identity.ts'
import { createMesh, type Libp2pMesh } from './libp2p-mesh.ts'

const psk = new Uint8Array(32).fill(5)

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1_000; turn++) {
    if (condition()) return
    await sleep(10)
  }
  throw new Error('the condition did not come true')
}

async function startMesh(nodeName: string, key: Uint8Array | string = psk): Promise<Libp2pMesh> {
  const mesh = createMesh({
    identity: await createIdentity(),
    psk: key,
    nodeName,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
  await mesh.start()
  return mesh
}

const memberOf = (mesh: Libp2pMesh, node: string) => ({ peer: mesh.self, node, addresses: mesh.addresses() })

async function createFixture(count: number): Promise<MeshFixture> {
  const meshes = await Promise.all(Array.from({ length: count }, (_, index) => startMesh(`node-${index}`)))
  const members = meshes.map((mesh, index) => memberOf(mesh, `node-${index}`))
  for (const mesh of meshes) mesh.setMembers(members)
  return {
    meshes,
    members,
    until,
    stop: async () => void (await Promise.all(meshes.map((mesh) => mesh.stop()))),
  }
}

meshContract('libp2p over loopback', createFixture)

describe('admission', () => {
  const running: Libp2pMesh[] = []
  afterEach(async () => {
    await Promise.all(running.splice(0).map((mesh) => mesh.stop()))
  })
  const run = async (name: string, key?: Uint8Array | string) => {
    const mesh = await startMesh(name, key)
    running.push(mesh)
    return mesh
  }

  test('a stranger without the pre-shared key gets no connection, even when it is listed', async () => {
    const inside = await run('inside')
    const outside = await run('outside', 'ab'.repeat(32))
    const members = [memberOf(inside, 'inside'), memberOf(outside, 'outside')]
    inside.setMembers(members)
    outside.setMembers(members)
    const asked = outside.request(inside.self, 'any', new Uint8Array(0), { timeoutMs: 700 })
    await expect(asked).rejects.toMatchObject({ reason: 'ServiceUnavailable' })
    expect(inside.connected()).toEqual([])
  })

  test('a holder of the key that is not a member gets no stream', async () => {
    const inside = await run('inside')
    const outside = await run('outside')
    inside.onRequest('secret', async () => new Uint8Array([1]))
    outside.setMembers([memberOf(inside, 'inside'), memberOf(outside, 'outside')])
    const asked = outside.request(inside.self, 'secret', new Uint8Array(0), { timeoutMs: 1_000 })
    await expect(asked).rejects.toThrow()
    expect(inside.connected()).toEqual([])
  })

  test('a member that comes back at another address is found when its address is known', async () => {
    const first = await run('first')
    const identity = await createIdentity()
    const make = () =>
      createMesh({
        identity,
        psk,
        nodeName: 'second',
        listen: ['/ip4/127.0.0.1/tcp/0'],
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      })
    const before = make()
    await before.start()
    const introduce = (second: Libp2pMesh) => {
      const members = [memberOf(first, 'first'), memberOf(second, 'second')]
      first.setMembers(members)
      second.setMembers(members)
    }
    introduce(before)
    await until(() => first.connected().length === 1)
    await before.stop()
    await until(() => first.connected().length === 0)
    const after = make()
    running.push(after)
    await after.start()
    introduce(after)
    await until(() => first.connected().length === 1 && first.liveness(after.self).alive)
  })
})
