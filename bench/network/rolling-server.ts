/**
 * `rolling-server.ts ADDRESS PORT`: answers each byte `p` by one byte. On SIGTERM it drains, as a well-behaved server does:
 * no new connections; each open one is told by a byte `d`, and ended when its client has ended it.
 */
import { createServer, type Socket } from 'node:net'

const open = new Set<Socket>()
/** As many clients may call at once. */
const backlog = 4_096

const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
  open.add(socket)
  socket.on('close', () => open.delete(socket))
  socket.on('error', () => socket.destroy())
  socket.on('data', (data) => {
    if (data.includes(0x70)) socket.write('p')
  })
})
server.listen({ host: process.argv[2] ?? '', port: Number(process.argv[3]), backlog }, () =>
  process.stdout.write('ready\n'),
)
process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  for (const socket of open) socket.write('d')
})
