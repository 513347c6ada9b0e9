import { beforeEach, describe, expect, test } from 'vitest'
import type { UserInfo } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { refs } from '../client/client.ts'
import { fakeInformers, type FakeInformers } from '../client/fake-informers.ts'
import type { Clock } from '../lib/clock.ts'
import { systemRandom } from '../lib/system.ts'
import { createAdmissionChain, type AdmissionChain } from './chain.ts'
import type { AdmissionAttributes } from './plugin.ts'
import { mutatingAdmissionPolicies } from './policy/mutating-policy.ts'
import { validatingAdmissionPolicies } from './policy/validating-policy.ts'
import { resourceQuota } from './quota/resource-quota.ts'
import { mutatingWebhooks, validatingWebhooks } from './webhook/webhooks.ts'

const group = 'admissionregistration.k8s.io'
const clock: Clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => ({ cancel() {} }) }
const jane: UserInfo = { username: 'jane' }
type Review = { request: { uid: string; object: { metadata: { labels?: Record<string, string> } } } }
let informers: FakeInformers
let chain: AdmissionChain
let calls: string[]
/** What each webhook, by URL, answers. */
let answers: Record<string, (review: Review) => object>

const put = (ref: { group: string; resource: string }, object: object): void =>
  informers.put(ref, { apiVersion: 'v1', kind: 'X', ...object } as KubeObject)
const labelled = (labels: Record<string, string> = {}, rest: object = {}): KubeObject =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop', labels },
    spec: { replicas: 9 },
    ...rest,
  }) as KubeObject
async function admit(rest: Partial<AdmissionAttributes> = {}): Promise<AdmissionAttributes> {
  const attributes: AdmissionAttributes = {
    operation: 'CREATE',
    ref: { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment' },
    subresource: '',
    namespace: 'shop',
    name: 'web',
    object: labelled(),
    user: jane,
    dryRun: false,
    options: {},
    warnings: [],
    auditAnnotations: {},
    ...rest,
  }
  await chain.mutate(attributes)
  await chain.validate(attributes)
  return attributes
}

beforeEach(() => {
  informers = fakeInformers()
  calls = []
  answers = {}
  put(refs.namespaces, { metadata: { name: 'shop', labels: { team: 'a' } } })
  const common = {
    informers,
    clock,
    random: systemRandom,
    authorize: ({ verb }: { verb: string }) => ({
      verdict: verb === 'create' ? ('allow' as const) : ('no-opinion' as const),
      reason: '',
    }),
    equivalents: () => [],
    resourceFor: () => ({ group: '', resource: 'configmaps', namespaced: true }),
    mergeApplied: (_: unknown, object: KubeObject, made: unknown) =>
      ({
        ...object,
        spec: { ...(object as { spec?: object }).spec, ...(made as { spec: object }).spec },
      }) as KubeObject,
    transport: async ({ url = '' }: { url?: string }, review: unknown) => {
      calls.push(url)
      const answer = answers[url]
      if (!answer) throw new Error('connection refused')
      const { uid } = (review as Review).request
      return { kind: 'AdmissionReview', response: { uid, allowed: true, ...answer(review as Review) } }
    },
  }
  chain = createAdmissionChain([
    mutatingAdmissionPolicies(common),
    mutatingWebhooks(common),
    validatingAdmissionPolicies(common),
    validatingWebhooks(common),
    resourceQuota(common),
  ])
})

const rules = [{ operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }]
const webhook = (name: string, rest: object = {}): object => ({
  name,
  rules,
  clientConfig: { url: name },
  sideEffects: 'None',
  ...rest,
})
const mutating = (...webhooks: object[]): void =>
  put({ group, resource: 'mutatingwebhookconfigurations' }, { metadata: { name: 'c' }, webhooks })
const validating = (...webhooks: object[]): void =>
  put({ group, resource: 'validatingwebhookconfigurations' }, { metadata: { name: 'c' }, webhooks })
const patch = (...operations: object[]): object => ({
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
})
const addLabel = (key: string): object => patch({ op: 'add', path: `/metadata/labels/${key}`, value: 'x' })

describe('webhooks', () => {
  test('patch the object one after the other, and are asked again only if they want it and it changed', async () => {
    mutating(webhook('first', { reinvocationPolicy: 'IfNeeded' }), webhook('second'))
    answers = { first: () => addLabel('one'), second: () => addLabel('two') }
    const { object } = await admit()
    expect(object?.metadata.labels).toEqual({ one: 'x', two: 'x' })
    expect(calls).toEqual(['first', 'second', 'first'])
  })

  test.each([
    [{ message: 'no', code: 403 }, 403, 'admission webhook "v" denied the request: no'],
    [{ code: 422 }, 422, 'admission webhook "v" denied the request without explanation'],
    [undefined, 403, 'admission webhook "v" denied the request without explanation'],
  ])('refuse with %j', async (status, code, message) => {
    validating(webhook('v'))
    answers = { v: () => ({ allowed: false, status }) }
    await expect(admit()).rejects.toMatchObject({ code, message })
  })

  test('that fail are 500 or let pass, by their failurePolicy', async () => {
    validating(webhook('v', { failurePolicy: 'Fail' }))
    await expect(admit()).rejects.toMatchObject({
      code: 500,
      message: 'Internal error occurred: failed calling webhook "v": connection refused',
    })
    validating(webhook('v', { failurePolicy: 'Ignore' }))
    expect((await admit()).auditAnnotations).toEqual({ 'failed-open.webhook.admission.k8s.io/v': 'connection refused' })
  })

  test.each<[string, object, boolean]>([
    ['rules', { rules: [{ ...rules[0], resources: ['pods'] }] }, false],
    ['all resources and subresources', { rules: [{ ...rules[0], resources: ['*/*'] }] }, true],
    ['scope', { rules: [{ ...rules[0], scope: 'Cluster' }] }, false],
    ['namespaceSelector', { namespaceSelector: { matchLabels: { team: 'b' } } }, false],
    ['objectSelector', { objectSelector: { matchLabels: { app: 'x' } } }, false],
    ['matchConditions', { matchConditions: [{ name: 'n', expression: 'request.userInfo.username == "joe"' }] }, false],
    ['matchConditions that hold', { matchConditions: [{ name: 'n', expression: 'object.spec.replicas == 9' }] }, true],
  ])('are asked by their %s', async (_, rest, asked) => {
    validating(webhook('v', rest))
    answers = { v: () => ({ warnings: ['w'] }) }
    expect((await admit()).warnings).toEqual(asked ? ['w'] : [])
  })

  test('with side effects refuse dry runs', async () => {
    validating(webhook('v', { sideEffects: 'Some' }))
    answers = { v: () => ({}) }
    await expect(admit({ dryRun: true })).rejects.toMatchObject({
      code: 400,
      message: expect.stringContaining('dry run'),
    })
    await admit()
  })
})

describe('validating policies', () => {
  const policy = (spec: object, binding: object = {}): void => {
    put(
      { group, resource: 'validatingadmissionpolicies' },
      {
        metadata: { name: 'p' },
        spec: { matchConstraints: { resourceRules: rules }, ...spec },
      },
    )
    put(
      { group, resource: 'validatingadmissionpolicybindings' },
      {
        metadata: { name: 'b' },
        spec: { policyName: 'p', validationActions: ['Deny'], ...binding },
      },
    )
  }

  test('deny with the expression, the message, or what an expression makes of it', async () => {
    const prefix = `deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: `
    const expression = 'object.spec.replicas <= variables.most'
    const variables = [{ name: 'most', expression: '5' }]
    policy({ variables, validations: [{ expression }] })
    await expect(admit()).rejects.toMatchObject({ code: 422, message: `${prefix}failed expression: ${expression}` })
    policy({ variables, validations: [{ expression, message: 'too many', reason: 'Forbidden' }] })
    await expect(admit()).rejects.toMatchObject({ code: 403, message: `${prefix}too many` })
    policy({ variables, validations: [{ expression, messageExpression: '"at most " + string(variables.most)' }] })
    await expect(admit()).rejects.toThrow(`${prefix}at most 5`)
    await admit({ object: labelled({}, { spec: { replicas: 5 } }) })
  })

  test('take parameters, and fail without them unless told otherwise', async () => {
    const spec = {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [{ expression: 'object.spec.replicas <= int(params.data.max)' }],
    }
    policy(spec, { paramRef: { name: 'limits', parameterNotFoundAction: 'Deny' } })
    await expect(admit()).rejects.toThrow('no params found for policy binding')
    put(refs.configMaps, { metadata: { namespace: 'shop', name: 'limits' }, data: { max: '9' } })
    await admit()
    put(refs.configMaps, { metadata: { namespace: 'shop', name: 'limits' }, data: { max: '8' } })
    await expect(admit()).rejects.toThrow('failed expression')
  })

  test('warn and audit without denying; errors count by failurePolicy', async () => {
    policy({ validations: [{ expression: 'false', message: 'hm' }] }, { validationActions: ['Warn', 'Audit'] })
    const { warnings, auditAnnotations } = await admit()
    expect(warnings).toEqual([`Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': hm`])
    expect(Object.keys(auditAnnotations)).toEqual(['validation.policy.admission.k8s.io/validation_failure'])
    policy({ validations: [{ expression: 'object.spec.missing == 1' }] })
    await expect(admit()).rejects.toThrow('resulted in error: No such key: missing')
    policy({ failurePolicy: 'Ignore', validations: [{ expression: 'object.spec.missing == 1' }] })
    await admit()
  })

  test('cost no more together than a budget', async () => {
    const list = `[${Array.from({ length: 90 }, (_, at) => at).join()}]`
    const expression = `${list}.all(a, ${list}.all(b, a + b >= 0))`
    policy({ validations: Array.from({ length: 200 }, () => ({ expression })) })
    await expect(admit()).rejects.toThrow(
      'denied request: validation failed due to running out of cost budget, no further validation rules will be run',
    )
    policy({ failurePolicy: 'Ignore', validations: Array.from({ length: 200 }, () => ({ expression })) })
    await admit()
  })

  test('may ask what the requester may do with the resource', async () => {
    policy({ validations: [{ expression: 'authorizer.requestResource.check("create").allowed()' }] })
    await admit()
    policy({ validations: [{ expression: 'authorizer.requestResource.check("delete").allowed()' }] })
    await expect(admit()).rejects.toThrow('failed expression')
  })
})

test('mutating policies patch and apply, each seeing what came before', async () => {
  put(
    { group, resource: 'mutatingadmissionpolicies' },
    {
      metadata: { name: 'p' },
      spec: {
        matchConstraints: { resourceRules: rules },
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: 3}}' },
          },
          {
            patchType: 'JSONPatch',
            jsonPatch: {
              expression: '[JSONPatch{op: "add", path: "/metadata/labels/n", value: string(object.spec.replicas)}]',
            },
          },
        ],
      },
    },
  )
  put({ group, resource: 'mutatingadmissionpolicybindings' }, { metadata: { name: 'b' }, spec: { policyName: 'p' } })
  expect((await admit()).object).toMatchObject({ spec: { replicas: 3 }, metadata: { labels: { n: '3' } } })
})

describe('ResourceQuota', () => {
  const ref = { group: '', version: 'v1', resource: 'pods', kind: 'Pod' }
  const pod = (name: string, cpu?: string, rest: object = {}): KubeObject =>
    ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'shop' },
      spec: { containers: [{ name: 'c', resources: cpu ? { requests: { cpu } } : {} }], ...rest },
    }) as KubeObject
  const quota = (spec: object): void => put(refs.resourceQuotas, { metadata: { namespace: 'shop', name: 'q' }, spec })
  const create = (object: KubeObject): Promise<unknown> => admit({ ref, object, name: object.metadata.name })

  test('counts what is stored and what is on its way', async () => {
    quota({ hard: { pods: '2' } })
    put(refs.pods, pod('a'))
    await create(pod('b'))
    await expect(create(pod('c'))).rejects.toMatchObject({
      code: 403,
      message: 'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    })
    put(refs.pods, pod('b'))
    await expect(create(pod('c'))).rejects.toThrow('used: pods=2')
    put(refs.pods, { ...pod('a'), status: { phase: 'Succeeded' } })
    await create(pod('c'))
  })

  test('of cpu demands that containers say what they take', async () => {
    quota({ hard: { 'requests.cpu': '1' } })
    await expect(create(pod('a'))).rejects.toThrow('failed quota: q: must specify requests.cpu for: c')
    await create(pod('a', '600m'))
    await expect(create(pod('b', '600m'))).rejects.toThrow(
      'requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1',
    )
  })

  test('counts by how much a resize grows a pod', async () => {
    quota({ hard: { 'requests.cpu': '1' } })
    put(refs.pods, pod('a', '600m'))
    const resize = (cpu: string): Promise<unknown> =>
      admit({
        ref,
        name: 'a',
        operation: 'UPDATE',
        subresource: 'resize',
        object: pod('a', cpu),
        oldObject: pod('a', '600m'),
      })
    await resize('1')
    await expect(resize('1100m')).rejects.toThrow('requested: requests.cpu=500m, used: requests.cpu=600m')
  })

  test('with scopes counts only what is in them', async () => {
    quota({ hard: { pods: '0' }, scopes: ['BestEffort'] })
    await create(pod('a', '1'))
    await expect(create(pod('b'))).rejects.toThrow('exceeded quota')
    quota({
      hard: { pods: '0' },
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
    })
    await create(pod('c'))
    await expect(create(pod('d', '1', { priorityClassName: 'high' }))).rejects.toThrow('exceeded quota')
  })
})
