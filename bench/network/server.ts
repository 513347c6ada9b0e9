import { createServer } from 'node:net'

/** Answers each byte `p` by one byte, and swallows whatever else it gets. */
createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.on('data', (data) => {
    if (data[0] === 0x70) socket.write('p')
  })
}).listen(Number(process.argv[2]))
