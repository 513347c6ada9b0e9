import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { systemRandom } from '../lib/system.ts'
import { createClusterSecrets, createJoinSecret, joinSecretHash } from './cluster-secrets.ts'
import { loadIdentity, removeIdentity, saveIdentity } from './identity-directory.ts'
import type { Identity } from './identity-files.ts'
import { encodeJoinToken, parseJoinToken } from './join-token.ts'
import { kubeconfigFor } from './kubeconfig.ts'
import { createNodeIdentity, libp2pKeyOf } from './node-identity.ts'
import { jsonWebKeySet, openServiceAccountKey } from './service-account-keys.ts'

let directory: string
let identity: Identity

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stormo-pki-'))
  identity = {
    cluster: await createClusterSecrets('demo', Date.now(), systemRandom),
    node: await createNodeIdentity('n1'),
  }
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('identity directory', () => {
  test('what was saved is loaded, readable by its owner only', async () => {
    const where = join(directory, 'a')
    expect(await loadIdentity(where)).toBeUndefined()
    await saveIdentity(where, identity)
    expect(await loadIdentity(where)).toEqual(identity)
    expect((await stat(join(where, 'ca.key'))).mode & 0o777).toBe(0o600)
    expect((await stat(where)).mode & 0o777).toBe(0o700)
    await removeIdentity(where)
    expect(await loadIdentity(where)).toBeUndefined()
  })

  test('an identity from before aggregation is read: its clients are told apart by name', async () => {
    const where = join(directory, 'older')
    await saveIdentity(where, identity)
    for (const name of ['front-proxy-ca.crt', 'front-proxy-ca.key']) await rm(join(where, name))
    expect((await loadIdentity(where))?.cluster.frontProxyCa).toEqual(identity.cluster.ca)
  })

  test('an interrupted save is no identity; a damaged one is named', async () => {
    const where = join(directory, 'b')
    await saveIdentity(where, identity)
    await writeFile(join(where, 'sa.json'), '[{')
    await expect(loadIdentity(where)).rejects.toThrow('identity file sa.json is damaged')
    await rm(join(where, 'sa.json'))
    await expect(loadIdentity(where)).rejects.toThrow('identity file sa.json is missing')
    await rm(join(where, 'node.json'))
    expect(await loadIdentity(where)).toBeUndefined()
  })
})

test('the swarm key has the three lines that pnet reads', () => {
  expect(identity.cluster.swarmKey).toMatch(/^\/key\/swarm\/psk\/1\.0\.0\/\n\/base16\/\n[0-9a-f]{64}$/)
})

test("a node's peer id is that of its key", () => {
  expect(libp2pKeyOf(identity.node).publicKey.toString()).toContain(identity.node.peerId)
})

test('the key set publishes no private part', () => {
  const [key] = identity.cluster.serviceAccountKeys.map(openServiceAccountKey)
  const set = jsonWebKeySet([key!])
  expect(Object.keys(set.keys[0]!).toSorted()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
  expect(set.keys[0]!.kid).toBe(identity.cluster.serviceAccountKeys[0]!.kid)
})

describe('join token', () => {
  const token = {
    version: 1 as const,
    ...(({ id, secret }) => ({ id, secret }))(createJoinSecret(systemRandom)),
    bootstrap: ['/ip4/192.0.2.1/tcp/7946'],
    caFingerprint: `sha256:${'ab'.repeat(32)}`,
    cluster: 'demo',
  }

  test('one line, there and back', () => {
    const text = encodeJoinToken(token)
    expect(text).toMatch(/^stormo\.[A-Za-z0-9_-]+$/)
    expect(parseJoinToken(`  ${text}\n`)).toEqual(token)
  })

  test.each([
    ['hello', 'must start with "stormo."'],
    ['stormo.', 'characters that a token never has'],
    ['stormo.a!b', 'characters that a token never has'],
    [encodeJoinToken(token).slice(0, -9), 'cut off or altered'],
    [`stormo.${'a'.repeat(9000)}`, 'longer than'],
    [encodeJoinToken({ ...token, version: 2 as 1 }), 'another release'],
    [encodeJoinToken({ ...token, caFingerprint: 'x' }), 'fingerprint is missing'],
    [encodeJoinToken({ ...token, bootstrap: ['host:1'] }), 'not multiaddrs'],
  ])('%.30s is refused', (text, why) => {
    expect(() => parseJoinToken(text)).toThrow(why)
  })

  test('no altered text is parsed into something half', () => {
    const text = encodeJoinToken(token)
    fc.assert(
      fc.property(fc.nat(text.length - 1), (end) => {
        expect(() => parseJoinToken(text.slice(0, end))).toThrow()
      }),
    )
  })

  test('the hash depends on the whole secret', () => {
    expect(joinSecretHash(token.secret)).not.toBe(joinSecretHash(token.secret.slice(1)))
  })
})

test('a kubeconfig is self-contained', () => {
  const config = kubeconfigFor({
    name: 'demo',
    server: 'https://127.0.0.1:6443',
    caPem: 'CA',
    certPem: 'C',
    keyPem: 'K',
  })
  expect(config['current-context']).toBe('demo')
  expect(config.contexts[0]!.context).toEqual({ cluster: 'demo', user: 'demo-admin' })
  expect(Buffer.from(config.clusters[0]!.cluster['certificate-authority-data'], 'base64').toString()).toBe('CA')
  expect(config.users[0]!.user).toEqual({ 'client-certificate-data': 'Qw==', 'client-key-data': 'Sw==' })
})
