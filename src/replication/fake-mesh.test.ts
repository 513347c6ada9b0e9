import { FakeNetwork } from '../../test/support/fake-mesh.ts'
import { seededRandom } from '../lib/seeded-random.ts'
import { VirtualClock } from '../lib/testing/virtual-clock.ts'
import { meshContract } from '../../test/support/mesh-contract.ts'

meshContract('in memory', async (count) => {
  const clock = new VirtualClock()
  const network = new FakeNetwork(clock, seededRandom(1))
  const members = Array.from({ length: count }, (_, index) => ({
    peer: `peer-${index}`,
    node: `node-${index}`,
    addresses: [],
  }))
  const meshes = members.map(({ peer }) => network.mesh(peer))
  for (const mesh of meshes) {
    mesh.setMembers(members)
    await mesh.start()
  }
  // Requests that only a deadline ends are waited for without `until`: virtual time goes on by itself meanwhile.
  const stopping = new AbortController()
  void (async () => {
    while (!stopping.signal.aborted) await clock.pass(1)
  })()
  return {
    meshes,
    members,
    async until(condition) {
      for (let turns = 0; !condition(); turns += 1) {
        if (turns > 100_000) throw new Error('the condition did not come true')
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    async stop() {
      stopping.abort()
      await Promise.all(meshes.map((mesh) => mesh.stop()))
    },
  }
})
