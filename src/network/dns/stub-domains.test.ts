import { expect, test } from 'vitest'
import { readUpstreamPlan, stubServers } from './stub-domains.ts'

const planOf = (data: Record<string, string>) =>
  readUpstreamPlan({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kube-dns' }, data })

test('a name goes to the servers of the longest domain that holds it', () => {
  const plan = planOf({
    stubDomains:
      '{"Acme.local.": ["192.0.2.1", "192.0.2.2:5353"], "deep.acme.local": ["[2001:db8::1]:54", "2001:db8::2"]}',
  })
  const ask = (name: string) => stubServers(plan, name)?.map(({ address, port }) => `${address} ${port}`)
  expect(ask('a.ACME.local')).toEqual(['192.0.2.1 53', '192.0.2.2 5353'])
  expect(ask('acme.local.')).toEqual(['192.0.2.1 53', '192.0.2.2 5353'])
  expect(ask('x.deep.acme.local')).toEqual(['2001:db8::1 54', '2001:db8::2 53'])
  expect(ask('notacme.local')).toBeUndefined()
  expect(plan.problems).toEqual([])
})

test('what cannot be read is named, and the rest counts', () => {
  const plan = planOf({
    stubDomains:
      '{"a.example": ["192.0.2.1", "no address", 5], "b.example": "192.0.2.2", "c.example": ["192.0.2.3#70000"]}',
    upstreamNameservers: '["192.0.2.9", "192.0.2.300"]',
  })
  expect([...plan.stubDomains.keys()]).toEqual(['a.example'])
  expect(plan.upstreams).toEqual([{ address: '192.0.2.9', port: 53 }])
  expect(plan.problems).toEqual([
    'stubDomains: a.example: "no address" is no address of a server',
    'stubDomains: a.example: 5 is no address of a server',
    'stubDomains: b.example: must be a list of servers',
    'stubDomains: c.example: "192.0.2.3#70000" is no address of a server',
    'upstreamNameservers: "192.0.2.300" is no address of a server',
  ])
  expect(planOf({ stubDomains: '{' }).problems).toEqual(['stubDomains: must be JSON'])
  expect(readUpstreamPlan(undefined)).toEqual({ stubDomains: new Map(), problems: [] })
})
