import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtinResources } from '../../kinds/builtin.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemClock } from '../../lib/system.ts'
import { loadBuiltinSchemas } from '../../schema/graph.ts'
import { parseRequestInfo } from '../request-info.ts'
import { startFixture, type Fixture } from '../testing/fixture.ts'
import { httpFor } from '../testing/http.ts'
import { createAudit } from './audit.ts'
import { auditLogFile } from './log-file.ts'
import { decideAudit, parseAuditPolicy } from './policy.ts'

const policy = parseAuditPolicy(`
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [system:kube-proxy]
  verbs: [watch]
  resources: [{group: "", resources: [endpoints, services]}]
- level: None
  nonResourceURLs: ["/healthz*", /version]
- level: RequestResponse
  resources: [{group: "", resources: [configmaps]}]
  omitManagedFields: true
- level: Metadata
  resources: [{group: "", resources: [secrets, "pods/*", "*/status"]}]
- level: Request
  namespaces: [kube-system]
- level: Metadata
  omitStages: [ResponseStarted]
`)

describe('a policy', () => {
  const levelOf = (username: string, method: string, path: string) =>
    decideAudit(policy, { username, groups: [] }, parseRequestInfo(method, new URL(`https://x${path}`))).level
  test.each([
    ['system:kube-proxy', 'GET', '/api/v1/services?watch=1', 'None'],
    ['jane', 'GET', '/api/v1/services?watch=1', 'Metadata'],
    ['jane', 'GET', '/healthz/etcd', 'None'],
    ['jane', 'GET', '/versions', 'Metadata'],
    ['jane', 'POST', '/api/v1/namespaces/a/configmaps', 'RequestResponse'],
    ['jane', 'GET', '/api/v1/namespaces/kube-system/secrets', 'Metadata'],
    ['jane', 'GET', '/api/v1/namespaces/kube-system/pods/a/log', 'Metadata'],
    ['jane', 'GET', '/api/v1/namespaces/kube-system/pods/a', 'Request'],
  ])('%s %s %s: %s', (user, method, path, level) => expect(levelOf(user, method, path)).toBe(level))

  test.each([
    ['rules: []', 'at least one rule'],
    ['rules: [{level: Loud}]', 'rules[0].level: must be one of'],
    ['rules: [{level: None, omitStages: [Never]}]', 'rules[0].omitStages'],
    ['rules: [{level: None, nonResourceURLs: [healthz]}]', 'a path begins with /'],
    ['rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]', 'cannot apply to both'],
  ])('%s is refused', (text, message) => {
    expect(() => parseAuditPolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\n${text}`)).toThrow(message)
  })
})

describe('a server', () => {
  const lines: string[] = []
  let fixture: Fixture
  let http: ReturnType<typeof httpFor>
  beforeAll(async () => {
    const audit = createAudit({ policy, sink: { write: (line) => void lines.push(line) }, clock: systemClock })
    fixture = await startFixture({ definitions: builtinResources(loadBuiltinSchemas()), server: { audit } })
    http = httpFor(fixture)
  })
  afterAll(() => fixture.stop())
  const last = () => JSON.parse(lines.at(-1) ?? '{}')

  test('says who did what, with bodies where the policy wants them', async () => {
    const made = await http('POST', '/api/v1/namespaces/default/configmaps', {
      body: { metadata: { name: 'c' }, data: { a: '1' } },
      headers: { 'user-agent': 'tester/1' },
    })
    expect(last()).toMatchObject({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'RequestResponse',
      auditID: made.headers['audit-id'],
      stage: 'ResponseComplete',
      requestURI: '/api/v1/namespaces/default/configmaps',
      verb: 'create',
      user: { username: 'admin' },
      sourceIPs: ['127.0.0.1'],
      userAgent: 'tester/1',
      objectRef: { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' },
      responseStatus: { code: 201 },
      requestObject: { data: { a: '1' } },
      responseObject: { kind: 'ConfigMap', metadata: { name: 'c' } },
      annotations: { 'authorization.k8s.io/decision': 'allow' },
    })
    expect(last().responseObject.metadata.managedFields).toBeUndefined()
  })
  test('says nothing of what a secret holds, and why a request failed', async () => {
    await http('POST', '/api/v1/namespaces/default/secrets', {
      body: { metadata: { name: 's' }, stringData: { x: 'y' } },
    })
    expect(last()).toMatchObject({ level: 'Metadata', objectRef: { resource: 'secrets' } })
    expect(lines.at(-1)).not.toContain('stringData')
    await http('GET', '/api/v1/namespaces/default/secrets/nosuch')
    expect(last().responseStatus).toMatchObject({ code: 404, status: 'Failure', reason: 'NotFound' })
  })
  test('says who was refused', async () => {
    await http('GET', '/api/v1/pods', { anonymous: true })
    expect(last()).toMatchObject({
      user: { username: 'system:anonymous' },
      responseStatus: { code: 401 },
      annotations: { 'authorization.k8s.io/decision': 'forbid' },
    })
  })
})

test('a log is rotated, and keeps no more than it may', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'stormo-audit-'))
  const path = join(directory, 'logs', 'audit.log')
  const limits = { maxBytes: 100, maxBackups: 2, maxAgeDays: 0 }
  const file = auditLogFile({ path, limits, clock: systemClock, log: silentLogger })
  await file.start()
  for (let at = 0; at < 50; at++) file.write(`line ${String(at).padStart(14, '0')}\n`)
  await file.stop()
  const names = (await readdir(join(directory, 'logs'))).toSorted()
  expect(names.filter((one) => one !== 'audit.log')).toHaveLength(2)
  const texts = await Promise.all(names.map((one) => readFile(join(directory, 'logs', one), 'utf8')))
  // Ten files of five lines: the last two are kept.
  const kept = texts.join('').trim().split('\n').toSorted()
  expect(kept).toHaveLength(10)
  expect(kept[0]).toBe(`line ${'40'.padStart(14, '0')}`)
  expect(
    (
      await stat(
        join(
          directory,
          'logs',
          names.find((one) => one !== 'audit.log')!,
        ),
      )
    ).mode & 0o777,
  ).toBe(0o600)
  expect(file.dropped()).toBe(0)
  await rm(directory, { recursive: true })
})
