import { describe, expect, test } from 'vitest'
import type { Pod, PodSpec, Service } from '../../api/kinds.ts'
import { registryCredentials } from '../images/credentials.ts'
import { oomScoreAdjust, qosClass, containerResources } from '../core/quality.ts'
import { containerEnv } from './container-env.ts'
import { expand } from './expansion.ts'
import { etcHosts, formatResolvConf, podHostname, podResolver } from './name-resolution.ts'
import { serviceEnv } from './service-env.ts'

const pod = (spec: Partial<PodSpec> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-0', namespace: 'shop', uid: 'u1', labels: { b: '2', a: '1' } },
  spec: { containers: [{ name: 'main', image: 'app:1' }], ...spec },
})

const facts = { podIp: '10.0.0.2', hostIp: '192.168.0.1', allocatable: { cpu: '4', memory: '8Gi' } }
const nothing = { configMap: () => undefined, secret: () => undefined, fileValue: () => undefined }

test.each([
  ['$(A)-$(B)', '1-$(B)'],
  ['$$(A) $$', '$(A) $'],
  ['$(A', '$(A'],
  ['$A', '$A'],
  ['tail$', 'tail$'],
])('%s expands to %s', (text, expected) => {
  expect(expand(text, (name) => (name === 'A' ? '1' : undefined))).toBe(expected)
})

describe('environment', () => {
  const env = (container: Partial<PodSpec['containers'][number]>, services = new Map<string, string>()) => {
    const one = { name: 'main', image: 'app:1', ...container }
    return Object.fromEntries(containerEnv(pod({ containers: [one] }), one, services, nothing, facts))
  }

  test('later variables see earlier ones, and services', () => {
    const variables = [
      { name: 'A', value: '$(HOST):1' },
      { name: 'B', value: '$(A)/$(C)' },
      { name: 'C', value: 'late' },
    ]
    expect(env({ env: variables }, new Map([['HOST', 'h']]))).toMatchObject({ A: 'h:1', B: 'h:1/$(C)', HOST: 'h' })
  })

  test('the downward API gives fields and resources', () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } })
    const variables = [
      field('NAME', 'metadata.name'),
      field('LABEL', "metadata.labels['a']"),
      field('IP', 'status.podIP'),
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'MILLI', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } },
    ]
    const resources = { requests: { cpu: '250m' } }
    expect(env({ env: variables, resources })).toEqual({
      NAME: 'web-0',
      LABEL: '1',
      IP: '10.0.0.2',
      CPU: '4',
      MILLI: '250',
    })
  })

  test('what is missing and not optional is an error by name', () => {
    expect(() => env({ envFrom: [{ secretRef: { name: 'keys' } }] })).toThrow('secret "keys" not found')
    expect(env({ envFrom: [{ secretRef: { name: 'keys', optional: true } }] })).toEqual({})
  })
})

test('service variables in the form of links', () => {
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'my-db', namespace: 'shop' },
    spec: { clusterIP: '10.96.0.9', ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] },
  }
  expect(Object.fromEntries(serviceEnv([service], 'shop', true))).toEqual({
    MY_DB_SERVICE_HOST: '10.96.0.9',
    MY_DB_SERVICE_PORT: '5432',
    MY_DB_SERVICE_PORT_SQL: '5432',
    MY_DB_PORT: 'tcp://10.96.0.9:5432',
    MY_DB_PORT_5432_TCP: 'tcp://10.96.0.9:5432',
    MY_DB_PORT_5432_TCP_PROTO: 'tcp',
    MY_DB_PORT_5432_TCP_PORT: '5432',
    MY_DB_PORT_5432_TCP_ADDR: '10.96.0.9',
  })
  expect(serviceEnv([service], 'shop', false).size).toBe(0)
})

describe('names', () => {
  const cluster = { dns: ['10.96.0.10'], domain: 'cluster.local' }
  const node = { nameservers: ['1.1.1.1'], searches: ['lan'], options: [] }

  test('a pod with a subdomain has a full name', () => {
    const named = pod({ subdomain: 'db' })
    const name = podHostname(named, 'cluster.local', 'node')
    expect(name).toEqual({ hostname: 'web-0', fqdn: 'web-0.db.shop.svc.cluster.local' })
    const hosts = etcHosts(named, name, ['10.0.0.2', 'fd00::2'], '')
    for (const ip of ['10.0.0.2', 'fd00::2']) expect(hosts).toContain(`${ip}\tweb-0.db.shop.svc.cluster.local\tweb-0\n`)
  })

  test.each([
    [{}, 'nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local lan\noptions ndots:5\n'],
    [{ dnsPolicy: 'Default' }, 'nameserver 1.1.1.1\nsearch lan\n'],
    [{ hostNetwork: true, dnsPolicy: 'ClusterFirst' }, 'nameserver 1.1.1.1\nsearch lan\n'],
    [
      { dnsPolicy: 'None', dnsConfig: { nameservers: ['9.9.9.9'], options: [{ name: 'ndots', value: '2' }] } },
      'nameserver 9.9.9.9\noptions ndots:2\n',
    ],
  ])('%j', (spec, expected) => {
    expect(formatResolvConf(podResolver(pod(spec), cluster, node))).toBe(expected)
  })
})

describe('quality of service', () => {
  const of = (limits?: Record<string, string>, requests?: Record<string, string>) =>
    pod({ containers: [{ name: 'main', image: 'a', resources: { limits, requests } }] })

  test.each([
    [of(), 'BestEffort', 1000],
    [of({ cpu: '1', memory: '1Gi' }), 'Guaranteed', -997],
    [of({ cpu: '1' }, { memory: '1Gi' }), 'Burstable', 750],
  ])('class and score %#', (one, quality, score) => {
    expect(qosClass(one)).toBe(quality)
    expect(oomScoreAdjust(one, one.spec!.containers[0]!, 4 * 1024 ** 3)).toBe(score)
  })

  test('limits become the kernel’s knobs', () => {
    const containers: PodSpec['containers'] = []
    const knobs = { cpuQuotaMicros: 50_000, cpuPeriodMicros: 100_000, memoryBytes: 64 * 1024 ** 2 }
    const resources = { limits: { cpu: '500m', memory: '64Mi' } }
    expect(containerResources({ resources }, { containers })).toEqual({ cpuShares: 512, ...knobs })
    // Those of the pod hold a container that has none.
    expect(containerResources({}, { containers, resources })).toEqual({ cpuShares: 2, ...knobs })
  })
})

test('pull secrets are chosen by registry and path, the longest first', () => {
  const auths = {
    'reg.io': { auth: btoa('all:1') },
    'reg.io/team': { username: 'team', password: '2' },
    'other.io': { auth: btoa('x:y') },
  }
  const data = { '.dockerconfigjson': btoa(JSON.stringify({ auths })) }
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data }
  expect(registryCredentials('reg.io/team/app:1', [secret]).map((one) => one.username)).toEqual(['team', 'all'])
})
