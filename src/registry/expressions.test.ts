import { describe, expect, test } from 'vitest'
import { testRegistry } from './testing/environment.ts'

const env = testRegistry()
const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }
const webhooks = (...expressions: string[]) => ({
  metadata: { name: 'hooks' },
  webhooks: [
    {
      name: 'hook.example.com',
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      clientConfig: { url: 'https://127.0.0.1:1/' },
      rules: [rule],
      matchConditions: expressions.map((expression, at) => ({ name: `c${at}`, expression })),
    },
  ],
})
const policy = (name: string, ...expressions: string[]) => ({
  metadata: { name },
  spec: {
    matchConstraints: {
      resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['*'], resources: ['deployments'] }],
    },
    validations: expressions.map((expression) => ({ expression })),
  },
})
const crd = (kind: string, rules: object[]) => ({
  metadata: { name: `${kind.toLowerCase()}s.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: `${kind.toLowerCase()}s`, kind },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                'x-kubernetes-validations': rules,
                properties: { x: { type: 'integer' }, at: { type: 'string', format: 'date-time' } },
              },
            },
          },
        },
      },
    ],
  },
})

describe('webhook configurations', () => {
  const make = (...expressions: string[]) =>
    env.create('mutatingwebhookconfigurations.admissionregistration.k8s.io', webhooks(...expressions))
  test.each([
    ['... [] bad expression', 'webhooks[0].matchConditions[0].expression: Invalid value'],
    ['... [] bad expression', 'compilation failed'],
    ['object.metadata.name', 'undefined'],
    ['"text"', 'must evaluate to bool'],
    ['params.x == 1', "undeclared reference to 'params'"],
  ])('%s', async (expression, message) => {
    if (message === 'undefined') await expect(make(expression)).resolves.toBeDefined()
    else await expect(make(expression)).rejects.toThrow(message)
  })
})

describe('validating admission policies', () => {
  const make = (name: string, ...expressions: string[]) =>
    env.create('validatingadmissionpolicies.admissionregistration.k8s.io', policy(name, ...expressions))
  test('what does not compile is refused', async () => {
    await expect(make('broken', 'object.spec.')).rejects.toThrow(
      'spec.validations[0].expression: Invalid value: "object.spec.": compilation failed: ERROR: <input>',
    )
  })
  test('what does not fit the type is told in the status', async () => {
    const made = await make('typed', 'object.spec.replicas > 1', "object.spec.replicas > '1'", 'object.spec.foo == 1')
    expect(made.status.observedGeneration).toBe(1)
    expect(made.status.typeChecking.expressionWarnings).toMatchObject([
      {
        fieldRef: 'spec.validations[1].expression',
        warning: expect.stringMatching(
          /^apps\/v1, Kind=Deployment: ERROR: <input>:1:\d+: found no matching overload for '_>_' applied to '\(int, string\)'/,
        ),
      },
      { fieldRef: 'spec.validations[2].expression', warning: expect.stringContaining("undefined field 'foo'") },
    ])
    const good = await make('good', 'object.spec.replicas > 1')
    expect(good.status).toEqual({ observedGeneration: 1, typeChecking: {} })
    const changed = await env.update('validatingadmissionpolicies.admissionregistration.k8s.io', {
      ...good,
      spec: { ...good.spec, validations: [{ expression: 'object.spec.foo == 1' }] },
    })
    expect(changed.status).toMatchObject({ observedGeneration: 2, typeChecking: { expressionWarnings: [{}] } })
  })
})

describe('rules of custom resource definitions', () => {
  const make = (kind: string, ...rules: object[]) =>
    env.create('customresourcedefinitions.apiextensions.k8s.io', crd(kind, rules))
  test.each([
    [{ rule: 'self.z == 100' }, "undefined field 'z'"],
    [{ rule: 'self.x ===' }, 'Syntax error'],
    [{ rule: 'self.x' }, 'cel expression must evaluate to a bool'],
    [{ rule: '' }, 'rule is not specified'],
    [{ rule: 'self.x > 1', messageExpression: '1' }, 'cel expression must evaluate to a string'],
    [{ rule: 'self.x > 1', message: ' ' }, 'message must be non-empty'],
  ])('%j is refused', async (one, message) => {
    const refused = make('Bad', one)
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.toThrow(
      'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]',
    )
  })
  test('what can be meant is taken', async () => {
    const rules = [
      { rule: 'self.x > oldSelf.x' },
      { rule: "!has(self.at) || self.at > timestamp('2020-01-01T00:00:00Z')" },
    ]
    await expect(make('Good', ...rules)).resolves.toBeDefined()
  })
})
