import { beforeAll, describe, expect, test } from 'vitest'
import type { TokenRequest } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import { fakeInformers, type FakeInformers } from '../client/fake-informers.ts'
import type { Clock } from '../lib/clock.ts'
import { systemRandom } from '../lib/system.ts'
import {
  createAuthority,
  openAuthority,
  type CertificateAuthority,
  type CertificatePair,
} from '../pki/certificate-authority.ts'
import { issueClientCertificate, issueServerCertificate } from '../pki/certificates.ts'
import {
  createServiceAccountKey,
  openServiceAccountKey,
  type OpenServiceAccountKey,
} from '../pki/service-account-keys.ts'
import { createAuthenticator, type Authenticate } from './authenticator.ts'
import { boundLookupFrom } from './bound-lookup.ts'
import { createServiceAccountTokens, type ServiceAccountTokens } from './service-account-tokens.ts'
import { createTokenIssuer, type IssueToken } from './token-request.ts'
import { bootstrapTokens } from './bootstrap-tokens.ts'
import { reviewToken } from './token-review.ts'
import { anonymous } from './user.ts'
import { X509Certificate } from 'node:crypto'

const issuer = 'https://kubernetes.default.svc.cluster.local'
let nowMs = Date.parse('2026-01-01T00:00:00Z')
const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel() {} }) }
let key: OpenServiceAccountKey
let pair: CertificatePair
let authority: CertificateAuthority
let informers: FakeInformers
let tokens: ServiceAccountTokens
let issue: IssueToken
let authenticate: Authenticate

const request = (spec: TokenRequest['spec'] = {}): TokenRequest => ({
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenRequest',
  metadata: {},
  spec,
})
const podOf = (uid: string, nodeName = 'n1') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'shop', name: 'web-0', uid },
  spec: { serviceAccountName: 'web', nodeName, containers: [] },
})
const bound = { apiVersion: 'v1', kind: 'Pod', name: 'web-0' }
const der = (pem: string): Uint8Array => new X509Certificate(pem).raw

beforeAll(async () => {
  key = openServiceAccountKey(await createServiceAccountKey())
  pair = await createAuthority('demo-ca', nowMs, systemRandom)
  authority = await openAuthority(pair, systemRandom)
  informers = fakeInformers()
  informers.put(refs.serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace: 'shop', name: 'web', uid: 'sa-1' },
  })
  informers.put(refs.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', uid: 'node-1' } })
  informers.put(refs.pods, podOf('pod-1'))
  tokens = createServiceAccountTokens({
    keys: [key],
    issuer,
    apiAudiences: [issuer],
    lookup: boundLookupFrom(informers),
    clock,
    random: systemRandom,
  })
  issue = createTokenIssuer({ tokens, informers })
  authenticate = createAuthenticator({ caPem: pair.certPem, tokens, clock })
})

const withToken = (token: string) => authenticate({ headers: { authorization: `Bearer ${token}` } })

describe('bound tokens', () => {
  test('stand for the account, its groups, its pod and its node', async () => {
    const { status, spec } = await issue('shop', 'web', request({ boundObjectRef: bound }))
    expect(spec).toMatchObject({ audiences: [issuer], expirationSeconds: 3600 })
    expect(status?.expirationTimestamp).toBe('2026-01-01T01:00:00Z')
    const user = await withToken(status!.token!)
    expect(user).toMatchObject({
      username: 'system:serviceaccount:shop:web',
      uid: 'sa-1',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:shop', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/pod-name': ['web-0'],
        'authentication.kubernetes.io/pod-uid': ['pod-1'],
        'authentication.kubernetes.io/node-name': ['n1'],
      },
    })
    expect(user.extra['authentication.kubernetes.io/credential-id']?.[0]).toMatch(/^JTI=[0-9a-f-]{36}$/)
  })

  test('end with their time', async () => {
    const { status } = await issue('shop', 'web', request({ expirationSeconds: 600 }))
    nowMs += 599_000
    expect((await withToken(status!.token!)).username).toBe('system:serviceaccount:shop:web')
    nowMs += 1000
    await expect(withToken(status!.token!)).rejects.toMatchObject({ code: 401 })
    nowMs -= 600_000
  })

  test('end with the pod, also when another takes its name, after a minute of grace', async () => {
    const { status } = await issue('shop', 'web', request({ boundObjectRef: bound }))
    const pod = podOf('pod-1')
    const deletionTimestamp = new Date(nowMs).toISOString()
    informers.put(refs.pods, { ...pod, metadata: { ...pod.metadata, deletionTimestamp } })
    nowMs += 59_000
    await withToken(status!.token!)
    nowMs += 2000
    await expect(withToken(status!.token!)).rejects.toMatchObject({ code: 401 })
    informers.put(refs.pods, podOf('pod-2'))
    expect(await reviewToken(tokens, { token: status!.token! })).toMatchObject({
      authenticated: false,
      error: expect.stringContaining('pod UID (pod-2) does not match claim (pod-1)'),
    })
    informers.put(refs.pods, podOf('pod-1'))
    nowMs -= 61_000
  })

  test('of another audience do not let anybody in, but are reviewed', async () => {
    const { status } = await issue('shop', 'web', request({ audiences: ['vault'] }))
    await expect(withToken(status!.token!)).rejects.toMatchObject({ code: 401 })
    expect(await reviewToken(tokens, { token: status!.token!, audiences: ['vault', 'x'] })).toMatchObject({
      authenticated: true,
      audiences: ['vault'],
      user: { username: 'system:serviceaccount:shop:web' },
    })
  })

  test('altered, foreign and garbage tokens are refused', async () => {
    const { status } = await issue('shop', 'web', request())
    const [header, payload] = status!.token!.split('.') as [string, string]
    const other = openServiceAccountKey(await createServiceAccountKey())
    const foreign = createServiceAccountTokens({
      keys: [other],
      issuer,
      apiAudiences: [issuer],
      lookup: boundLookupFrom(informers),
      clock,
      random: systemRandom,
    })
    const forged = await foreign.issue({
      claim: { namespace: 'shop', serviceaccount: { name: 'web', uid: 'sa-1' } },
      audiences: [issuer],
      expirationSeconds: 600,
    })
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.AA`
    for (const bad of [`${header}.${payload}.AAAA`, forged.token, none, 'hello', '']) {
      await expect(authenticate({ headers: { authorization: `Bearer ${bad || 'x'}` } })).rejects.toMatchObject({
        code: 401,
      })
    }
  })

  test.each([
    [request({ expirationSeconds: 60 }), 422, 'may not specify a duration less than 10 minutes'],
    [request({ boundObjectRef: { ...bound, name: 'nope' } }), 404, 'pods "nope" not found'],
    [request({ boundObjectRef: { ...bound, uid: 'x' } }), 409, 'does not match the UID in record'],
    [request({ boundObjectRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' } }), 400, 'cannot bind token'],
  ])('a request %# that cannot be met says why', async (body, code, message) => {
    await expect(issue('shop', 'web', body)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })

  test('come by WebSocket subprotocol too', async () => {
    const { status } = await issue('shop', 'web', request())
    const protocol = `base64url.bearer.authorization.k8s.io.${Buffer.from(status!.token!).toString('base64url')}`
    const user = await authenticate({ headers: { 'sec-websocket-protocol': `v5.channel.k8s.io, ${protocol}` } })
    expect(user.username).toBe('system:serviceaccount:shop:web')
  })
})

describe('client certificates', () => {
  test('CN is the user, O the groups', async () => {
    const { certPem } = await issueClientCertificate(authority, { user: 'jane', groups: ['dev', 'ops'] }, nowMs)
    expect(await authenticate({ peerCertificate: der(certPem), headers: {} })).toMatchObject({
      username: 'jane',
      groups: ['dev', 'ops', 'system:authenticated'],
    })
  })

  test('of another CA of the same name, out of time, or for servers, do not count', async () => {
    const other = await openAuthority(await createAuthority('demo-ca', nowMs, systemRandom), systemRandom)
    const foreign = await issueClientCertificate(other, { user: 'jane' }, nowMs)
    const expired = await issueClientCertificate(authority, { user: 'jane', lifetimeMs: 1000 }, nowMs - 10_000)
    const server = await issueServerCertificate(authority, { nodeName: 'n1', addresses: [] }, nowMs)
    for (const { certPem } of [foreign, expired, server]) {
      await expect(authenticate({ peerCertificate: der(certPem), headers: {} })).rejects.toMatchObject({ code: 401 })
    }
  })

  test('nobody is anonymous', async () => {
    expect(await authenticate({ headers: {} })).toEqual(anonymous)
  })
})

describe('bootstrap tokens', () => {
  const secret = (data: Record<string, string>, type = 'bootstrap.kubernetes.io/token') => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
    type,
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, btoa(value)])),
  })
  const good = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': 'system:bootstrappers:site-a',
  }
  const userOf = (data: Record<string, string>, type?: string) => {
    const fakes = fakeInformers()
    fakes.put(refs.secrets, secret(data, type))
    const clock = { nowMs: () => nowMs, monotonicMs: () => 0, after: () => ({ cancel() {} }) }
    return bootstrapTokens(fakes, clock)('abcdef.0123456789abcdef')
  }
  test('are known by their Secret', async () => {
    expect(await userOf(good)).toMatchObject({
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:site-a', 'system:authenticated'],
    })
    expect(await userOf({ ...good, expiration: new Date(nowMs + 1000).toISOString() })).toBeDefined()
  })
  test.each([
    ['another secret', { 'token-secret': '0123456789abcdee' }],
    ['another purpose', { 'usage-bootstrap-authentication': 'false' }],
    ['out of its time', { expiration: '2001-01-01T00:00:00Z' }],
    ['a time that is none', { expiration: 'tomorrow' }],
    ['groups of others', { 'auth-extra-groups': 'system:masters' }],
  ])('%s: nobody', async (_, data) => expect(await userOf({ ...good, ...data })).toBeUndefined())
  test('an Opaque Secret of that name is no token', async () => expect(await userOf(good, 'Opaque')).toBeUndefined())
})
