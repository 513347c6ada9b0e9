/** One node's mesh, run inside its network namespace: says over IPC what it sees, with the time. */
import { silentLogger } from '../../../src/lib/log.ts'
import { systemClock, systemRandom } from '../../../src/lib/system.ts'
import { createMesh } from '../../../src/mesh/libp2p-mesh.ts'

interface Settings {
  identity: string
  name: string
  members: { peer: string; node: string; addresses: string[] }[]
}

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings
const mesh = createMesh({
  identity: Buffer.from(settings.identity, 'base64'),
  psk: 'cd'.repeat(32),
  nodeName: settings.name,
  listen: ['/ip4/0.0.0.0/tcp/7946'],
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
})
const nameOf = (peer: string) => settings.members.find((one) => one.peer === peer)?.node
const say = (event: string, node: string | undefined) => process.send?.({ event, node, atMs: Date.now() })
mesh.onPeer((peer, up) => say(up ? 'up' : 'down', nameOf(peer)))
mesh.onLiveness((peer, alive) => say(alive ? 'alive' : 'dead', nameOf(peer)))
mesh.onBroadcast((from) => say('broadcast', nameOf(from)))
process.on('message', () => mesh.broadcast(new Uint8Array([1])))
await mesh.start()
mesh.setMembers(settings.members)
