import { describe, expect, test } from 'vitest'
import { CelAuthorizer } from './library/authorizer.ts'
import { loadBuiltinSchemas } from '../../schema/graph.ts'
import { compileCel, runtimeBudget, type CelBudget } from './expression.ts'
import { compilationFailure } from './problem.ts'
import { rewriteSource } from './source.ts'
import { celChecker } from './type-check.ts'
import { fromCel, toCel } from './values.ts'

const run = (source: string, object: unknown = {}): unknown =>
  fromCel(
    compileCel(source, ['object', 'authorizer']).evaluate(
      { object: toCel(object), authorizer },
      { remaining: runtimeBudget },
    ),
  )
const authorizer = new CelAuthorizer(
  ({ user, verb, resource, path }) => ({
    verdict:
      user.username === 'jane' && verb === 'get' && (resource === 'pods' || path === '/x') ? 'allow' : 'no-opinion',
    reason: 'because',
  }),
  { username: 'jane' },
)

test.each<[string, unknown]>([
  ['object.spec.replicas <= 5 && object.spec.replicas % 2 == 1', true],
  ['object.spec.containers.all(c, c.image.startsWith("registry/"))', true],
  ['object.spec.containers.map(c, c.name)', ['a', 'b']],
  ['has(object.spec.missing) ? 1 : 2', 2],
  ['object.?spec.?missing.orValue("none")', 'none'],
  ['object.metadata.labels["a-b"]', 'x'],
  ['"abc".matches("^a.c$") && !"abd".matches("c$")', true],
  ['"a1b22".findAll("[0-9]+")', ['1', '22']],
  ['"a1b22".find("[0-9]+")', '1'],
  ['"a,b".split(",").isSorted()', true],
  ['[1, 2, 3].sum() == 6 && [1, 5, 3].max() == 5 && [2, 1].min() == 1', true],
  ['sets.contains([1, 2], [2]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2])', true],
  [
    'quantity("1.5Gi").isGreaterThan(quantity("1Gi")) && quantity("500m").add(quantity("1500m")).asInteger() == 2',
    true,
  ],
  ['isQuantity("1x")', false],
  ['quantity("1000m") == quantity("1")', true],
  ['ip("10.0.0.1").family() == 4 && ip("::1").isLoopback() && !ip("10.0.0.1").isLinkLocalUnicast()', true],
  ['isIP("300.0.0.1") || ip.isCanonical("2001:DB8::1")', false],
  ['cidr("10.96.0.0/12").containsIP("10.96.0.1") && cidr("10.0.0.0/8").containsCIDR(cidr("10.1.0.0/16"))', true],
  ['string(cidr("192.0.2.77/24").masked())', '192.0.2.0/24'],
  ['string(cidr("2001:db8::ff/64").masked())', '2001:db8::/64'],
  ['url("https://a.example:8443/p?q=1&q=2").getQuery()["q"]', ['1', '2']],
  ['url("https://a.example:8443/p").getHost()', 'a.example:8443'],
  ['isURL("../a")', false],
  ['format.dns1123Label().validate("Bad_Name").hasValue()', true],
  ['format.dns1123Label().validate("good").hasValue()', false],
  ['"%s has %d (%.2f)".format(["x", 3, 1.5])', 'x has 3 (1.50)'],
  ['authorizer.group("").resource("pods").namespace("a").check("get").allowed()', true],
  ['authorizer.group("").resource("secrets").check("get").allowed()', false],
  ['authorizer.path("/x").check("get").reason()', 'because'],
  ['authorizer.serviceAccount("a", "b").path("/x").check("get").allowed()', false],
  ['Object{spec: Object.spec{replicas: 3, names: ["a{b: c"]}}', { spec: { replicas: 3, names: ['a{b: c'] } }],
  [
    '[JSONPatch{op: "add", path: "/a", value: {"k": object.spec.replicas}}]',
    [{ op: 'add', path: '/a', value: { k: 3 } }],
  ],
])('%s', (source, expected) => {
  const object = {
    metadata: { labels: { 'a-b': 'x' } },
    spec: {
      replicas: 3,
      containers: [
        { name: 'a', image: 'registry/a' },
        { name: 'b', image: 'registry/b' },
      ],
    },
  }
  expect(run(source, object)).toEqual(expected)
})

describe('what an author gets wrong', () => {
  test.each([['object.spec ==='], ['nosuch.spec'], ['"a" + 1'], ['nofunction(1)']])('%s does not compile', (source) => {
    expect(() => compileCel(source, ['object'])).toThrow(expect.objectContaining({ name: 'CelCompileError' }))
  })

  test('a missing key fails when it is evaluated', () => {
    expect(() => run('object.a.b')).toThrow(
      expect.objectContaining({ name: 'CelEvaluationError', message: 'No such key: a' }),
    )
  })

  test('work beyond the bound is ended', () => {
    const object = { list: Array.from({ length: 1000 }, (_, index) => index) }
    expect(run('object.list.all(a, a >= 0)', object)).toBe(true)
    expect(() => run('object.list.all(a, object.list.all(b, object.list.all(c, a + b + c >= 0)))', object)).toThrow(
      'cost limit exceeded',
    )
  })

  test.each([
    ['object.list.exists(a, object.list.exists(b, object.list.exists(c, a + b + c < 0)))'],
    ['object.list.map(a, object.list.map(b, object.list.filter(c, c > a)))'],
    ['object.long.contains(object.long)'],
    ['true || object.list.all(a, object.list.all(b, object.list.all(c, false || false)))'],
  ])('%s is held to it', (source) => {
    const object = { list: Array.from({ length: 1000 }, (_, index) => index), long: 'x'.repeat(20_000) }
    const evaluate = () => run(source, object)
    if (source.startsWith('true')) expect(evaluate()).toBe(true)
    else expect(evaluate).toThrow('cost limit exceeded')
  })

  test('a pattern that explodes in backtracking engines does not', () => {
    expect(run(`object.matches("^(a+)+$")`, `${'a'.repeat(5000)}!`)).toBe(false)
  })
})

test('strings and comments are not rewritten', () => {
  const source = `"Object{a: 1}" + 'x.matches(' + r"\\" // Object{b: 2}`
  expect(rewriteSource(source)).toBe(source)
})

describe('type check', () => {
  const deployment = loadBuiltinSchemas().byKind('apps', 'v1', 'Deployment')
  const check = celChecker({ object: deployment, params: undefined })
  test.each([
    ['object.spec.replicas > 1', 'bool'],
    ['object.metadata.labels["a"]', 'string'],
    ['object.spec.template.spec.containers.map(c, c.name)', 'list<string>'],
    ['params.anything.goes', 'dyn'],
  ])('%s is of type %s', (source, type) => expect(check(source)).toEqual({ type }))

  test.each([
    ['object.spec.replicas > "1"', "1:1: found no matching overload for '_>_' applied to '(int, string)'"],
    ['object.spec.replias > 1', "1:13: undefined field 'replias'\n | object.spec.replias > 1\n | ............^"],
    ['true &&\n request.x', "2:2: undeclared reference to 'request' (in container '')\n |  request.x\n | .^"],
    ['... [] bad expression', '1:1: Syntax error: Unexpected token: DOT'],
  ])('%s is told apart', (source, message) => {
    const checked = check(source)
    expect('problem' in checked && compilationFailure(checked.problem, source)).toContain(
      `compilation failed: ERROR: <input>:${message}`,
    )
  })
})

describe('the cost of an evaluation', () => {
  const costOf = (source: string, object: unknown): number => {
    const budget: CelBudget = { remaining: runtimeBudget }
    compileCel(source, ['object']).evaluate({ object: toCel(object) }, budget)
    return runtimeBudget - budget.remaining
  }
  const object = { list: [1, 2, 3], text: 'x'.repeat(100), spec: { replicas: 1 } }
  // As cel-go counts (interpreter, TestRuntimeCost), with Kubernetes' presence tests that cost nothing.
  test.each([
    ['true', 0],
    ['object', 1],
    ['object.spec.replicas', 3],
    ['object.list[0]', 3],
    ['has(object.spec)', 1],
    ['has(object.spec.replicas)', 2],
    ['1 + 2', 1],
    ['!true', 1],
    ['[1, 2]', 10],
    ['{"a": 1}', 30],
    ['true && false', 0],
    ['object.list.all(x, true)', 12],
    ['object.list.map(x, x)', 52],
    ['object.text.contains("y")', 12],
    ['object.text == object.text', 14],
    ['size(object.text)', 3],
    ['4 in object.list', 5],
  ])('of %s is %i', (source, cost) => expect(costOf(source, object)).toBe(cost))

  test('counts against what is left for those together', () => {
    const budget = { remaining: 10 }
    const read = compileCel('object.spec.replicas', ['object'])
    for (let times = 0; times < 3; times++) read.evaluate({ object }, budget)
    expect(budget.remaining).toBe(1)
    expect(() => read.evaluate({ object }, budget)).toThrow('running out of cost budget')
  })
})
