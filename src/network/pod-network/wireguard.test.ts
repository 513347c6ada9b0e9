import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { silentLogger } from '../../lib/log.ts'
import type { Exec } from '../exec.ts'
import { configText, createWireguard } from './wireguard.ts'

const directory = mkdtempSync(join(tmpdir(), 'stormo-wireguard-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** A machine on which some programs fail; remembers what was run, with its input. */
function machine(fails: (line: string) => boolean) {
  const ran: { line: string; input: unknown }[] = []
  const exec: Exec = async (command, args, options) => {
    const line = [command, ...args].join(' ')
    ran.push({ line, input: options?.input })
    return { code: fails(line) ? 1 : 0, stdout: '', stderr: '' }
  }
  const base = { device: 'wg', keyFile: join(directory, 'a', 'key'), podCidr: '10.244.1.0/24', mtu: 1500 }
  return { ran, make: (more = {}) => createWireguard({ ...base, ...more, exec, logger: silentLogger }) }
}

const peers = new Map([
  ['Zm9v', { ip: '192.0.2.2', podCidr: '10.244.2.0/24' }],
  ['YmFy', { ip: '192.0.2.3', podCidr: '10.244.3.0/24' }],
])

test('peers are written in order', () => {
  expect(configText('c2VjcmV0', peers)).toBe(
    '[Interface]\nPrivateKey = c2VjcmV0\nListenPort = 51820\n' +
      '[Peer]\nPublicKey = YmFy\nEndpoint = 192.0.2.3:51820\nAllowedIPs = 10.244.3.0/24\nPersistentKeepalive = 25\n' +
      '[Peer]\nPublicKey = Zm9v\nEndpoint = 192.0.2.2:51820\nAllowedIPs = 10.244.2.0/24\nPersistentKeepalive = 25\n',
  )
})

test('the key is made once, for nobody else to read, and the public one belongs to it', async () => {
  const first = await machine(() => false).make()
  const again = await machine(() => false).make()
  expect(again?.publicKey).toBe(first?.publicKey)
  expect(statSync(join(directory, 'a', 'key')).mode & 0o777).toBe(0o600)
  const other = await machine(() => false).make({ keyFile: join(directory, 'b', 'key') })
  expect(other?.publicKey).not.toBe(first?.publicKey)
  // What `wg pubkey` says of it.
  const keyFile = join(directory, 'known')
  writeFileSync(keyFile, 'dwdtCnMYpX08FsFyUbJmRd9Mh4frwKodotazsd1MPBs=')
  expect((await machine(() => false).make({ keyFile }))?.publicKey).toBe('Bk4HsWE0jyjxreJVfFkevhjAb7Bcj/jk6pjFALVZ8Xs=')
})

test('without the programs there is no tunnel', async () => {
  expect(await machine((line) => line.startsWith('wg ')).make()).toBeUndefined()
  const noKernel = (line: string) => line.includes('type wireguard') || line.startsWith('sh ')
  expect(await machine(noKernel).make()).toBeUndefined()
})

test('peers are told by standard input, and only when they changed or are to be told anew', async () => {
  const { ran, make } = machine((line) => line.includes('type wireguard') || line.startsWith('wg show'))
  const wireguard = await make()
  await wireguard?.apply(peers)
  const lines = ran.map((one) => one.line)
  expect(lines).toContain('setsid wireguard-go wg')
  const told = () => ran.filter((one) => one.line.startsWith('wg syncconf'))
  expect(told()).toHaveLength(1)
  expect(told()[0]?.input).toContain('PublicKey = Zm9v')
  expect(lines.join()).not.toContain('PrivateKey')
  await wireguard?.apply(peers)
  expect(told()).toHaveLength(1)
  wireguard?.forget()
  await wireguard?.apply(peers)
  expect(told()).toHaveLength(2)
})
