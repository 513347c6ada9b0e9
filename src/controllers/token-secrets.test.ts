import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Secret } from '../api/kinds.ts'
import { createSecretTokenIssuer, type IssueSecretToken, secretTokens } from '../auth/secret-tokens.ts'
import type { TokenAuthenticator } from '../auth/authenticator.ts'
import { refs } from '../client/client.ts'
import {
  createServiceAccountKey,
  openServiceAccountKey,
  type OpenServiceAccountKey,
} from '../pki/service-account-keys.ts'
import { createAbsence } from './absence.ts'
import { startCluster, type TestCluster } from './testing/cluster.ts'
import { tokenSecretController } from './token-secrets.ts'

let key: OpenServiceAccountKey
let cluster: TestCluster
let authenticate: TokenAuthenticator
let signing: Promise<string>[]

beforeAll(async () => {
  key = openServiceAccountKey(await createServiceAccountKey())
})
beforeEach(async () => {
  signing = []
  const sign = createSecretTokenIssuer([key])
  const issue: IssueSecretToken = (subject) => {
    const token = sign(subject)
    signing.push(token)
    return token
  }
  cluster = await startCluster({
    controllers: () => [tokenSecretController({ caPem: 'PEM', issue, absence: createAbsence(10_000) })],
  })
  authenticate = secretTokens([key], cluster.informers, cluster.clock)
})
afterEach(() => cluster.stop())

const account = (name = 'builder') => cluster.create(refs.serviceAccounts, { metadata: { name } })
const request = () =>
  cluster.create(refs.secrets, {
    metadata: { name: 'token', annotations: { 'kubernetes.io/service-account.name': 'builder' } },
    type: 'kubernetes.io/service-account-token',
  })
const secret = () => cluster.get<Secret>(refs.secrets, 'token')
const held = (name: string): string => Buffer.from(secret()!.data![name]!, 'base64').toString()
/** Signing is real work, which virtual time does not wait for. */
const filled = async (): Promise<string> => {
  await cluster.pass()
  await Promise.all(signing)
  await cluster.pass()
  return held('token')
}

test('a Secret is filled once, and its token stands for the account', async () => {
  const made = await account()
  await request()
  const token = await filled()
  expect([held('ca.crt'), held('namespace')]).toEqual(['PEM', 'default'])
  expect(secret()!.metadata.annotations!['kubernetes.io/service-account.uid']).toBe(made.metadata.uid)
  expect(await authenticate(token)).toMatchObject({
    username: 'system:serviceaccount:default:builder',
    uid: made.metadata.uid,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
  })
  const before = cluster.version()
  await cluster.pass(60_000)
  expect(cluster.version()).toBe(before)
  expect(cluster.failures).toEqual([])
})

test('what somebody took out of it is put back, and the token stays', async () => {
  await account()
  await request()
  const token = await filled()
  await cluster.change<Secret>(refs.secrets, 'token', (one) => void delete one.data!['ca.crt'])
  await cluster.pass()
  expect([held('ca.crt'), held('token')]).toEqual(['PEM', token])
})

test('goes with its account, and its token no longer counts', async () => {
  await account()
  await request()
  const token = await filled()
  await cluster.client.delete(refs.serviceAccounts, 'default', 'builder')
  await expect(authenticate(token)).rejects.toThrow()
  await cluster.pass()
  expect(secret()).toBeUndefined()
  await expect(authenticate(token)).rejects.toThrow()
})

test('an account that comes late is waited for; one that never comes is not', async () => {
  await request()
  await cluster.pass(5000)
  await account()
  await filled()
  await cluster.client.delete(refs.secrets, 'default', 'token')
  await cluster.client.delete(refs.serviceAccounts, 'default', 'builder')
  await cluster.pass()
  await request()
  await cluster.pass(15_000)
  expect(secret()).toBeUndefined()
})

test("another account's token, a stranger's and a changed one do not count", async () => {
  await account()
  await request()
  const token = await filled()
  const [head, body, signature = ''] = token.split('.')
  const changed = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
  await expect(authenticate(changed)).rejects.toThrow()
  expect(await authenticate('a.b.c')).toBeUndefined()
  const other = openServiceAccountKey(await createServiceAccountKey())
  const subject = { namespace: 'default', account: 'builder', accountUid: 'x', secret: 'token' }
  await expect(authenticate(await createSecretTokenIssuer([other])(subject))).rejects.toThrow()
  await expect(authenticate(await createSecretTokenIssuer([key])(subject))).rejects.toThrow()
})
