import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemRandom } from '../../lib/system.ts'
import { createAuthority, openAuthority } from '../../pki/certificate-authority.ts'
import { httpsTransport } from './https-transport.ts'

let server: Server
let caBundle: string
let port: number

beforeAll(async () => {
  const ca = await createAuthority('webhook-ca', systemClock.nowMs(), systemRandom)
  const names = [{ type: 'dns' as const, value: 'hook.test.svc' }]
  const { keyPem, certPem } = await (
    await openAuthority(ca, systemRandom)
  ).issue({ subject: { commonName: 'hook' }, names, usages: ['server'], lifetimeMs: 60_000 }, systemClock.nowMs())
  caBundle = Buffer.from(ca.certPem).toString('base64')
  server = createServer({ key: keyPem, cert: certPem }, (request, response) => {
    if (request.url?.startsWith('/slow')) return
    response.end(JSON.stringify({ asked: request.url }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const call = (path: string, timeoutMs: number) =>
  httpsTransport(async () => ({ host: '127.0.0.1', port }))(
    { service: { namespace: 'test', name: 'hook', path, port: 8443 }, caBundle },
    {},
    { timeoutMs },
  )

test('a webhook is told how long it is waited for', async () => {
  expect(await call('/always-allow', 10_000)).toEqual({ asked: '/always-allow?timeout=10s' })
  expect(await call('/always-allow?x=1', 1500)).toEqual({ asked: '/always-allow?x=1&timeout=1.5s' })
})

test('what takes longer fails in the words that clients look for', async () => {
  await expect(call('/slow', 100)).rejects.toThrow(
    `failed to call webhook: Post "https://hook.test.svc:${port}/slow?timeout=0.1s": context deadline exceeded`,
  )
})
