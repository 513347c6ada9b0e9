import { mkdirSync } from 'node:fs'
import type { ConfigMap } from '../../src/api/kinds.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { systemClock as clock, systemRandom as random } from '../../src/lib/system.ts'
import { createIdentity } from '../../src/mesh/identity.ts'
import { createMesh } from '../../src/mesh/libp2p-mesh.ts'
import { Replicator } from '../../src/replication/replicator.ts'
import { lmdbDisk } from '../../src/store/lmdb-disk.ts'
import { openStore } from '../../src/store/object-store.ts'
import type { Arrival, ToNode, ToParent } from './messages.ts'

/** One node of the mesh: the agent's store, mesh and replication, without what makes a machine a Kubernetes node. */
const [nodeNumber, dataDir] = [Number(process.argv[2]), process.argv[3]!]
const name = `node-${nodeNumber}`
const refs = { group: '', resource: 'configmaps' }
const padding = 'x'.repeat(300)

const tell = (message: ToParent): void => void process.send?.(message)

mkdirSync(dataDir, { recursive: true })
const mesh = createMesh({
  identity: await createIdentity(),
  psk: 'be'.repeat(32),
  nodeName: name,
  listen: ['/ip4/127.0.0.1/tcp/0'],
  clock,
  random,
  logger: silentLogger,
})
const disk = lmdbDisk({ path: dataDir, encryptionKey: Buffer.alloc(32, 7) })
const layout = { listKeys: () => undefined }
const store = await openStore({ disk, clock, random, logger: silentLogger, nodeNumber, layout })
const replicator = new Replicator({ mesh, replica: store, clock, random, logger: silentLogger })

const arrivals: Arrival[] = []
store.watch(refs, undefined, ({ type, object }) => {
  const { writtenMs, number, writer } = (object as ConfigMap).data ?? {}
  if (type !== 'ADDED' || writer === name) return
  // The monotonic clock is one for all processes of a machine.
  arrivals.push({ number: Number(number), delayMs: clock.monotonicMs() - Number(writtenMs) })
})

async function write(number: number): Promise<void> {
  const key = { ...refs, namespace: 'default', name: `write-${number}` }
  const data = { writtenMs: String(clock.monotonicMs()), number: String(number), writer: name, padding }
  const object: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: key.name, namespace: key.namespace },
    data,
  }
  await store.write({ op: 'create', key, object, decided: false })
}

process.on('message', (message: ToNode) => {
  if (message.type === 'members') {
    mesh.setMembers(message.members)
    replicator.setMembers(message.members)
  } else if (message.type === 'write') void write(message.number)
  else tell({ type: 'arrivals', arrivals })
})
// Without its parent nobody would end it.
process.on('disconnect', () => process.exit(0))
mesh.onPeer(() => tell({ type: 'connected', count: mesh.connected().length }))

await store.start()
await mesh.start()
await replicator.start()
tell({ type: 'listening', member: { peer: mesh.self, node: name, addresses: mesh.addresses() } })
