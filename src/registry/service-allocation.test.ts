import { expect, test } from 'vitest'
import { errors, StatusError } from '../api/status-error.ts'
import { sameOffset } from '../lib/ip-address.ts'
import { testRegistry } from './testing/environment.ts'

let env: ReturnType<typeof testRegistry>

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: StatusError) => error.reason,
  )

function withAddresses() {
  const free = ['10.0.0.1', '10.0.0.2']
  const log: string[] = []
  let port = 30_000
  env = testRegistry({
    addresses: {
      takeClusterIp: () => free.shift() ?? 'none',
      takeNodePort: () => port++,
      replenish: async () => undefined,
      returnClusterIp: (ip) => void log.push(`return ${ip}`),
      returnNodePort: (one) => void log.push(`return ${one}`),
      claim: async ({ clusterIp, nodePort }) => void log.push(`claim ${clusterIp ?? nodePort}`),
      release: async ({ clusterIps, nodePorts }) => void log.push(`release ${[...clusterIps, ...nodePorts].join()}`),
    },
  })
  return log
}
const service = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { ports: [{ port: 80 }], selector: { a: 'b' }, ...spec },
})

test('addresses are taken, kept through updates, and released', async () => {
  const log = withAddresses()
  const made = await env.create('services', service('s', { type: 'NodePort' }))
  expect(made.spec).toMatchObject({
    clusterIP: '10.0.0.1',
    clusterIPs: ['10.0.0.1'],
    ipFamilies: ['IPv4'],
    ports: [{ nodePort: 30_000 }],
  })
  const { clusterIP: _ip, clusterIPs: _ips, ...bare } = made.spec
  const updated = await env.update('services', {
    ...made,
    spec: { ...bare, ports: [{ port: 80, protocol: 'TCP' }], sessionAffinity: 'ClientIP' },
  })
  expect(updated.spec).toMatchObject({ clusterIP: '10.0.0.1', ports: [{ nodePort: 30_000 }] })
  const inner = await env.update('services', { ...updated, spec: { ...updated.spec, type: 'ClusterIP' } })
  expect(inner.spec.ports[0].nodePort).toBeUndefined()
  await env.registry.delete(env.context, env.target('services', 's'), {})
  expect(log).toEqual(['return 10.0.0.1', 'return 30000', 'release 30000', 'release 10.0.0.1'])
})

test('a given address is claimed; a failed create gives back what it took', async () => {
  const log = withAddresses()
  await env.create('services', service('s', { clusterIP: '10.0.0.9' }))
  expect(await reasonOf(env.create('services', service('s')))).toBe('AlreadyExists')
  expect(log).toEqual(['claim 10.0.0.9', 'return 10.0.0.9', 'return 10.0.0.1'])
})

test('a port number of two protocols gets one node port', async () => {
  withAddresses()
  const ports = [
    { name: 'a', port: 80 },
    { name: 'b', port: 80, protocol: 'UDP' },
    { name: 'c', port: 81 },
  ]
  const made = await env.create('services', service('s', { type: 'NodePort', ports }))
  expect(made.spec.ports.map((one: { nodePort: number }) => one.nodePort)).toEqual([30_000, 30_000, 30_001])
})

test('a create waits for more addresses while a leader can give them', async () => {
  let [left, gives] = [0, true]
  env = testRegistry({
    addresses: {
      takeClusterIp() {
        if (left === 0) throw errors.unavailable('the reserve is used up')
        return `10.0.0.${left--}`
      },
      takeNodePort: () => 30_000,
      async replenish() {
        if (!gives) throw errors.unavailable('no leader')
        left = 1
      },
      returnClusterIp: () => undefined,
      returnNodePort: () => undefined,
      claim: async () => undefined,
      release: async () => undefined,
    },
  })
  expect((await env.create('services', service('s'))).spec.clusterIP).toBe('10.0.0.1')
  gives = false
  await expect(env.create('services', service('t'))).rejects.toThrow('the reserve is used up')
})

test('a refused claim names the field, and nothing stays taken', async () => {
  const log: string[] = []
  env = testRegistry({
    addresses: {
      takeClusterIp: () => '10.0.0.1',
      takeNodePort: () => 30_000,
      replenish: async () => undefined,
      returnClusterIp: (ip) => void log.push(`return ${ip}`),
      returnNodePort: () => {},
      claim: async () => {
        throw new StatusError('Conflict', 'provided port is already allocated')
      },
      release: async () => {},
    },
  })
  const wanted = service('s', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_007 }] })
  await expect(env.create('services', wanted)).rejects.toMatchObject({
    reason: 'Invalid',
    message: 'Service "s" is invalid: spec.ports[0].nodePort: Invalid value: 30007: provided port is already allocated',
  })
  expect(log).toEqual(['return 10.0.0.1'])
})

test('of two families both addresses are one decision, and come and go with the policy', async () => {
  const log: string[] = []
  const secondFamily = {
    toIpv6: (ip: string) => sameOffset(ip, '10.0.0.0/24', 'fd00::/120'),
    toIpv4: (ip: string) => sameOffset(ip, 'fd00::/120', '10.0.0.0/24'),
  }
  env = testRegistry({
    addresses: {
      secondFamily,
      takeClusterIp: () => '10.0.0.1',
      takeNodePort: () => 30_000,
      replenish: async () => undefined,
      returnClusterIp: () => {},
      returnNodePort: () => {},
      claim: async ({ clusterIp }) => void log.push(`claim ${clusterIp}`),
      release: async ({ clusterIps }) => void log.push(`release ${clusterIps.join()}`),
    },
  })
  const made = await env.create('services', service('s', { ipFamilyPolicy: 'RequireDualStack' }))
  expect(made.spec.clusterIPs).toEqual(['10.0.0.1', 'fd00::1'])
  const single = { ...made, spec: { ...made.spec, ipFamilyPolicy: 'SingleStack' } }
  expect((await env.update('services', single)).spec.clusterIPs).toEqual(['10.0.0.1'])
  const again = await env.get('services', 's')
  const dual = { ...again, spec: { ...again.spec, ipFamilyPolicy: 'PreferDualStack' } }
  expect((await env.update('services', dual)).spec).toMatchObject({
    clusterIPs: ['10.0.0.1', 'fd00::1'],
    ipFamilies: ['IPv4', 'IPv6'],
  })
  const six = await env.create('services', service('six', { clusterIP: 'fd00::9' }))
  expect(six.spec).toMatchObject({ clusterIP: 'fd00::9', ipFamilies: ['IPv6'] })
  const torn = service('torn', { ipFamilyPolicy: 'PreferDualStack', clusterIPs: ['10.0.0.7', 'fd00::8'] })
  expect(await reasonOf(env.create('services', torn))).toBe('Invalid')
  await env.registry.delete(env.context, env.target('services', 'six'), {})
  expect(log).toEqual(['claim 10.0.0.9', 'release 10.0.0.9'])
})

test('an address that a balancer gave is virtual unless it says otherwise', async () => {
  withAddresses()
  await env.create('services', service('s', { type: 'LoadBalancer' }))
  const status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } }
  const target = env.target('services', 's', 'status')
  await env.registry.patch(env.context, target, { type: 'merge', body: { status } }, {})
  const made = await env.get('services', 's')
  expect(made.status.loadBalancer.ingress).toEqual([{ ip: '203.0.113.1', ipMode: 'VIP' }])
})

test('headless services and external names hold none', async () => {
  withAddresses()
  expect((await env.create('services', service('h', { clusterIP: 'None' }))).spec.clusterIP).toBe('None')
  expect(
    (await env.create('services', service('e', { type: 'ExternalName', externalName: 'x.org' }))).spec.clusterIP,
  ).toBeUndefined()
})
