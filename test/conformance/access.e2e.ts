import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { apiOf, patchTypes, type Api } from './api.ts'
import { openCluster, type Cluster } from './cluster.ts'
import { certificateRequestPem } from './certificate-request.ts'

/** Who may do what, and how they say who they are. */
let cluster: Cluster
let api: Api
const namespace = 'access'
const inNamespace = `/api/v1/namespaces/${namespace}`
const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
const reviews = '/apis/authorization.k8s.io/v1'

beforeAll(async () => {
  cluster = await openCluster()
  api = await apiOf(cluster.kubeconfig)
  await api.ok('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await api.ok('POST', `${inNamespace}/serviceaccounts`, { metadata: { name: 'robot' } })
})
afterAll(async () => {
  await api.ok('DELETE', `/api/v1/namespaces/${namespace}`)
  api.close()
  await cluster.stop()
})

const tokenFor = async (account: string, spec: object = {}): Promise<string> =>
  (await api.ok('POST', `${inNamespace}/serviceaccounts/${account}/token`, { spec })).status.token as string
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

describe('[sig-auth] ServiceAccounts', () => {
  test('a token request gives a bound token that lets its bearer in', async () => {
    const answer = await api('POST', `${inNamespace}/serviceaccounts/robot/token`, {
      body: { spec: { expirationSeconds: 600 } },
    })
    expect(answer.code).toBe(201)
    expect(answer.body).toMatchObject({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 600 },
    })
    const { token } = answer.body.status
    expect(claimsOf(token)).toMatchObject({
      sub: `system:serviceaccount:${namespace}:robot`,
      'kubernetes.io': { namespace, serviceaccount: { name: 'robot' } },
    })
    const who = await api('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { token, body: {} })
    expect(who.body.status.userInfo).toMatchObject({
      username: `system:serviceaccount:${namespace}:robot`,
      groups: expect.arrayContaining([
        'system:serviceaccounts',
        `system:serviceaccounts:${namespace}`,
        'system:authenticated',
      ]),
    })
    expect((await api('GET', `${inNamespace}/pods`, { token })).body).toMatchObject({ code: 403, reason: 'Forbidden' })
    expect((await api('GET', `${inNamespace}/pods`, { token: `${token}x` })).code).toBe(401)
  })
  test('a token review knows it', async () => {
    const token = await tokenFor('robot')
    const review = await api.ok('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token } })
    expect(review.status).toMatchObject({
      authenticated: true,
      user: { username: `system:serviceaccount:${namespace}:robot` },
    })
    const bad = await api.ok('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'nonsense' } })
    expect(bad.status.authenticated ?? false).toBe(false)
  })
  test('the issuer can be discovered by those who bear a token', async () => {
    const token = await tokenFor('robot')
    const { iss } = claimsOf(token)
    const configuration = await api('GET', '/.well-known/openid-configuration', { token })
    expect(configuration.body).toMatchObject({ issuer: iss, response_types_supported: ['id_token'] })
    const keys = await api('GET', '/openid/v1/jwks', { token })
    expect(keys.headers['content-type']).toBe('application/jwk-set+json')
    expect(keys.body.keys[0]).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig' })
    expect(configuration.body.jwks_uri).toMatch(/^https:\/\/.*\/openid\/v1\/jwks$/)
  })
  test('a token ends with its account', async () => {
    await api.ok('POST', `${inNamespace}/serviceaccounts`, { metadata: { name: 'brief' } })
    const token = await tokenFor('brief')
    expect((await api('GET', '/api', { token })).code).toBe(200)
    await api.ok('DELETE', `${inNamespace}/serviceaccounts/brief`)
    await expect.poll(async () => (await api('GET', '/api', { token })).code, { timeout: 10_000 }).toBe(401)
  })
  test('pods get the account, its token and the root certificate mounted, unless they opt out', async () => {
    const pod = (name: string, spec: object = {}) => ({
      metadata: { name },
      spec: {
        serviceAccountName: 'robot',
        schedulingGates: [{ name: 'example.com/wait' }],
        containers: [{ name: 'a', image: 'b' }],
        ...spec,
      },
    })
    const mounted = await api.ok('POST', `${inNamespace}/pods`, pod('mounted'))
    expect(mounted.spec.containers[0].volumeMounts).toContainEqual(
      expect.objectContaining({ mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }),
    )
    const { projected } = mounted.spec.volumes[0]
    expect(projected.sources).toHaveLength(3)
    expect(projected.sources[0].serviceAccountToken).toMatchObject({ expirationSeconds: 3607, path: 'token' })
    const bare = await api.ok('POST', `${inNamespace}/pods`, pod('bare', { automountServiceAccountToken: false }))
    expect(bare.spec.volumes ?? []).toEqual([])
    const missing = await api('POST', `${inNamespace}/pods`, { body: pod('no', { serviceAccountName: 'nosuch' }) })
    expect(missing.body).toMatchObject({ code: 403, reason: 'Forbidden' })
  })
})

describe('[sig-auth] SubjectReview', () => {
  test('answers for oneself, for others, and in a namespace', async () => {
    const attributes = { namespace, verb: 'list', resource: 'configmaps', version: 'v1' }
    const review = (path: string, spec: object) => api.ok('POST', path, { spec })
    const subject = { user: `system:serviceaccount:${namespace}:robot`, resourceAttributes: attributes }
    expect(
      (await review(`${reviews}/selfsubjectaccessreviews`, { resourceAttributes: attributes })).status.allowed,
    ).toBe(true)
    expect((await review(`${reviews}/subjectaccessreviews`, subject)).status.allowed).toBe(false)
    await api.ok('POST', `${rbac}/roles`, {
      metadata: { name: 'reader' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }],
    })
    await api.ok('POST', `${rbac}/rolebindings`, {
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace }],
    })
    const local = `${reviews}/namespaces/${namespace}/localsubjectaccessreviews`
    await expect
      .poll(async () => (await review(`${reviews}/subjectaccessreviews`, subject)).status.allowed, { timeout: 10_000 })
      .toBe(true)
    expect((await review(local, subject)).status.allowed).toBe(true)
    const token = await tokenFor('robot')
    expect((await api('GET', `${inNamespace}/configmaps`, { token })).code).toBe(200)
    expect((await api('POST', `${inNamespace}/configmaps`, { token, body: { metadata: { name: 'x' } } })).code).toBe(
      403,
    )
    const rules = await api('POST', `${reviews}/selfsubjectrulesreviews`, { token, body: { spec: { namespace } } })
    expect(rules.body.status.resourceRules).toContainEqual({
      apiGroups: [''],
      resources: ['configmaps'],
      verbs: ['list'],
    })
  })
  test('nobody grants what they have not', async () => {
    await api.ok('POST', `${rbac}/roles`, {
      metadata: { name: 'role-maker' },
      rules: [{ apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['create'] }],
    })
    await api.ok('POST', `${rbac}/rolebindings`, {
      metadata: { name: 'role-maker' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'role-maker' },
      subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace }],
    })
    const token = await tokenFor('robot')
    const body = { metadata: { name: 'greedy' }, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['*'] }] }
    const refused = await api('POST', `${rbac}/roles`, { token, body })
    expect(refused.body.message).toContain('is attempting to grant RBAC permissions not currently held')
  })
  test('reading pods/exec is not enough to run programs by it', async () => {
    await api.ok('POST', `${rbac}/roles`, {
      metadata: { name: 'looker' },
      rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get'] }],
    })
    await api.ok('POST', `${rbac}/rolebindings`, {
      metadata: { name: 'looker' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'looker' },
      subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace }],
    })
    const token = await tokenFor('robot')
    const refused = await api('GET', `${inNamespace}/pods/any/exec?command=sh&stdout=true`, { token })
    expect(refused.code).toBe(403)
    expect(refused.body.message).toContain('cannot create resource "pods/exec"')
  })
  test('impersonation needs leave, and is believed with it', async () => {
    const as = { 'impersonate-user': 'jane', 'impersonate-group': 'team' }
    const who = await api('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body: {}, headers: as })
    expect(who.body.status.userInfo).toMatchObject({ username: 'jane', groups: ['team', 'system:authenticated'] })
    const token = await tokenFor('robot')
    expect((await api('GET', '/api', { token, headers: as })).code).toBe(403)
  })
})

describe('[sig-auth] Certificates API', () => {
  const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
  test('requests are created, approved, signed, listed, patched and deleted', async () => {
    const request = await certificateRequestPem({ commonName: 'jane', organization: 'team' })
    const body = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { generateName: 'e2e-' },
      spec: {
        request: Buffer.from(request).toString('base64'),
        signerName: 'example.com/none',
        usages: ['digital signature', 'key encipherment', 'client auth'],
        expirationSeconds: 3600,
      },
    }
    const made = await api.ok('POST', requests, body)
    const path = `${requests}/${made.metadata.name}`
    expect(made.spec.username).toBeTruthy()
    expect((await api.ok('GET', requests)).items.length).toBeGreaterThan(0)
    const condition = { type: 'Approved', status: 'True', reason: 'E2E', message: 'Set from an e2e test' }
    const approved = await api.ok(
      'PATCH',
      `${path}/approval`,
      { status: { conditions: [condition] } },
      patchTypes.merge,
    )
    expect(approved.status.conditions[0]).toMatchObject(condition)
    const again = await api.ok('PUT', `${path}/approval`, {
      ...approved,
      status: { ...approved.status, conditions: [{ ...approved.status.conditions[0], message: 'Again' }] },
    })
    expect(again.status.conditions[0].message).toBe('Again')
    const status = { status: { certificate: Buffer.from(await selfSigned()).toString('base64') } }
    const signed = await api.ok('PATCH', `${path}/status`, status, patchTypes.merge)
    expect(signed.status.certificate).toBe(status.status.certificate)
    const denied = await api('PATCH', `${path}/approval`, {
      body: { status: { conditions: [condition, { ...condition, type: 'Denied' }] } },
      headers: { 'content-type': patchTypes.merge },
    })
    expect(denied.code).toBe(422)
    await api.ok('DELETE', path)
    expect((await api('GET', path)).code).toBe(404)
  })
})

/** The cluster's own CA: some certificate that is surely one. */
async function selfSigned(): Promise<string> {
  const config = parse(await readFile(cluster.kubeconfig, 'utf8'))
  return Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64').toString()
}
