import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from '../../lib/log.ts'
import type { Exec } from '../exec.ts'
import { formatIpv4, parseCidr } from '../ipv4.ts'
import { createIpCommand } from './ip-command.ts'
import type { EncryptedPeer } from './route-plan.ts'

/** IANA has none for it; it is the one that everybody uses. */
const listenPort = 51_820
/** Outer IPv4 and UDP headers, WireGuard's own and its tag (https://www.wireguard.com/protocol/). */
export const encryptionOverheadBytes = 60
/** The first one is sent at once: a peer with keys of this node's former life learns the new ones without waiting. */
const keepaliveSeconds = 25
const timeoutMs = 15_000

export interface Wireguard {
  /** Base64. */
  readonly publicKey: string
  /** The link exists and knows exactly these peers. Connections with those that stay go on. */
  apply(peers: ReadonlyMap<string, EncryptedPeer>): Promise<void>
  /** The peers are told anew at the next `apply`, whatever the link is thought to know. */
  forget(): void
}

/**
 * The encrypted tunnel of a node, by the kernel or else by Debian's wireguard-go, which needs /dev/net/tun; undefined on
 * a machine that has neither. The key is made once and kept in `keyFile`. The link outlives the agent.
 */
export async function createWireguard(options: {
  device: string
  keyFile: string
  podCidr: string
  /** Of the link below. */
  mtu: number
  exec: Exec
  logger: Logger
}): Promise<Wireguard | undefined> {
  const { device, exec, logger, mtu } = options
  const ip = createIpCommand(exec)
  if (!(await isUsable(exec, `${device}t`))) return undefined
  const key = await readKey(options.keyFile)
  const range = parseCidr(options.podCidr)
  if (!range) throw new Error(`the node's pod range ${options.podCidr} is none`)
  let applied: string | undefined

  async function ensureLink(): Promise<void> {
    if ((await exec('wg', ['show', device, 'listen-port'], { timeoutMs })).code !== 0) {
      // There, but of a program that is gone or that cannot be reached.
      await ip.attempt('link', 'del', device)
      if (!(await ip.attempt('link', 'add', device, 'type', 'wireguard'))) {
        // Out of the agent's process group, so that it goes on without it.
        const { code, stderr } = await exec('setsid', ['wireguard-go', device], { timeoutMs })
        if (code !== 0) throw new Error(`wireguard-go ${device}: ${stderr.trim().slice(-300)}`)
        logger.info({ device }, 'encrypting in user space: this kernel has no WireGuard')
      }
    }
    await ip.batch([
      // An address out of the node's own range: what the node sends, and what it masquerades, is answered the same way.
      `addr replace ${formatIpv4(range?.first ?? 0)}/32 dev ${device}`,
      `link set ${device} mtu ${mtu - encryptionOverheadBytes} up`,
    ])
  }

  return {
    publicKey: key.publicKey,
    async apply(peers) {
      const text = configText(key.privateKey, peers)
      if (text === applied) return
      applied = undefined
      await ensureLink()
      const { code, stderr } = await exec('wg', ['syncconf', device, '/dev/stdin'], { input: text, timeoutMs })
      if (code !== 0) throw new Error(`wg syncconf ${device}: ${stderr.trim()}`)
      applied = text
    },
    forget: () => void (applied = undefined),
  }
}

/** What `wg syncconf` reads. */
export function configText(privateKey: string, peers: ReadonlyMap<string, EncryptedPeer>): string {
  const sections = [...peers]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([publicKey, { ip, podCidr, podCidr6 }]) =>
        `[Peer]\nPublicKey = ${publicKey}\nEndpoint = ${ip}:${listenPort}\nAllowedIPs = ${[podCidr, podCidr6].filter(Boolean).join(', ')}\nPersistentKeepalive = ${keepaliveSeconds}\n`,
    )
  return [`[Interface]\nPrivateKey = ${privateKey}\nListenPort = ${listenPort}\n`, ...sections].join('')
}

/** Whether the programs are there, and either the kernel knows such links or the user-space program can make one. */
async function isUsable(exec: Exec, trial: string): Promise<boolean> {
  const works = async (command: string, ...args: string[]): Promise<boolean> => {
    try {
      return (await exec(command, args, { timeoutMs })).code === 0
    } catch {
      return false
    }
  }
  if (!(await works('wg', '--version'))) return false
  await works('modprobe', 'wireguard')
  if (await works('ip', 'link', 'add', trial, 'type', 'wireguard')) return works('ip', 'link', 'del', trial)
  return works('sh', '-c', 'command -v wireguard-go >/dev/null && test -c /dev/net/tun')
}

async function readKey(file: string): Promise<{ privateKey: string; publicKey: string }> {
  let bytes: Buffer
  try {
    bytes = Buffer.from(await readFile(file, 'utf8'), 'base64')
    if (bytes.length !== keyLength) throw new Error(`${file} holds no key`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    bytes = rawKey(generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' }))
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(`${file}.new`, bytes.toString('base64'), { mode: 0o600 })
    await rename(`${file}.new`, file)
  }
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, bytes]), format: 'der', type: 'pkcs8' })
  const publicKey = rawKey(createPublicKey(key).export({ format: 'der', type: 'spki' }))
  return { privateKey: bytes.toString('base64'), publicKey: publicKey.toString('base64') }
}

const keyLength = 32
/** In both encodings the key itself comes last (RFC 8410). */
const rawKey = (der: Buffer): Buffer => der.subarray(-keyLength)
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
