import { once } from 'node:events'
import { connect } from 'node:net'

/**
 * How long the first packets of connections take: `first-packet-client.ts PORT COUNT ADDRESS…` connects to the addresses in turn
 * and prints the milliseconds of each as JSON.
 */
const [port = 0, count = 0] = process.argv.slice(2, 4).map(Number)
const addresses = process.argv.slice(4)
/** The first ones pay for compiling this. */
const warmUps = 50

const times: number[] = []
for (let turn = 0; turn < count + warmUps; turn++) {
  const begin = performance.now()
  const socket = connect({ host: addresses[turn % addresses.length] ?? '', port })
  await once(socket, 'connect')
  if (turn >= warmUps) times.push(performance.now() - begin)
  // Reset instead of closed: nothing stays behind.
  socket.resetAndDestroy()
}
process.stdout.write(JSON.stringify(times))
