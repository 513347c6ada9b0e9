import fc from 'fast-check'
import { expect } from 'vitest'
import { servingAnnotation } from '../../../api/ingress-class.ts'
import { parentLabel } from '../../../api/namespace-tree.ts'
import type {
  ConfigMap,
  Endpoints,
  EndpointSlice,
  Ingress,
  IPAddress,
  Namespace,
  Node,
  Role,
  Service,
  ServiceAccount,
  ServiceCIDR,
} from '../../../api/kinds.ts'
import { refs } from '../../../client/client.ts'
import type { TestCluster } from '../cluster.ts'
import { index, isOn, node, type Scenario, steps } from '../scenario.ts'

const numberOf = (name: string): number => ['one', 'two', 'three'].indexOf(name) + 1

/** Load balancers have addresses of the pool, each its own; what shows addresses shows those that there are. */
export const serviceScenario: Scenario = {
  controllers: [
    'service-lb',
    'ingress-status',
    'endpointslicemirroring',
    'service-repair',
    'service-cidr',
    'service-ip-address',
  ],
  with: ['node-lifecycle', 'garbage-collector'],
  async prepare({ cluster }) {
    for (const name of ['one', 'two', 'three']) {
      const addresses = [{ type: 'InternalIP', address: `192.0.2.${numberOf(name)}` }]
      await cluster.change<Node>(
        refs.nodes,
        name,
        (one) => void (one.metadata.annotations = { [servingAnnotation]: 'true' }),
      )
      await cluster.change<Node>(refs.nodes, name, (one) => void (one.status!.addresses = addresses), 'status')
    }
    await cluster.create(refs.serviceCidrs, { metadata: { name: 'first' }, spec: { cidrs: ['10.96.0.0/16'] } })
    await cluster.create(refs.ingressClasses, {
      metadata: { name: 'stormo' },
      spec: { controller: 'stormo.dev/ingress' },
    })
  },
  step: fc.oneof(
    steps(fc.record({ number: index, ip: fc.integer({ min: 1, max: 2 }) }), 'service', ({ cluster }, { number, ip }) =>
      cluster.create(refs.services, {
        metadata: { name: `web-${number}` },
        // Two may have the same address: somebody has to be told.
        spec: {
          type: 'LoadBalancer',
          clusterIP: `10.96.0.${ip}`,
          clusterIPs: [`10.96.0.${ip}`],
          ports: [{ port: 8080 }],
        },
      }),
    ),
    steps(index, 'delete service', ({ cluster }, number) =>
      cluster.client.delete(refs.services, 'default', `web-${number}`),
    ),
    steps(
      fc.record({ number: index, type: fc.constantFrom('ClusterIP', 'LoadBalancer') }),
      'type',
      ({ cluster }, { number, type }) =>
        cluster.change<Service>(refs.services, `web-${number}`, (one) => void (one.spec!.type = type)),
    ),
    steps(
      fc.constantFrom('198.51.100.1-198.51.100.2', '198.51.100.4/31', ''),
      'pool',
      async ({ cluster }, addresses) => {
        const metadata = { name: 'load-balancer', namespace: 'kube-system' }
        if (addresses === '') return cluster.client.delete(refs.configMaps, 'kube-system', 'load-balancer')
        await cluster.client.delete(refs.configMaps, 'kube-system', 'load-balancer').catch(() => undefined)
        return cluster.create(refs.configMaps, { metadata, data: { addresses } })
      },
    ),
    steps(
      fc.record({ number: index, ip: fc.integer({ min: 1, max: 9 }) }),
      'endpoints',
      async ({ cluster }, { number, ip }) => {
        const subsets = [{ addresses: [{ ip: `203.0.113.${ip}` }], ports: [{ port: 8080 }] }]
        await cluster.client.delete(refs.endpoints, 'default', `web-${number}`).catch(() => undefined)
        await cluster.create(refs.endpoints, { metadata: { name: `web-${number}` }, subsets })
      },
    ),
    steps(index, 'ingress', ({ cluster }, number) =>
      cluster.create(refs.ingresses, {
        metadata: { name: `way-${number}` },
        spec: { ingressClassName: 'stormo', defaultBackend: { service: { name: 'web-0', port: { number: 80 } } } },
      }),
    ),
    steps(index, 'delete an address', async ({ cluster }, number) => {
      const addresses = cluster.list<IPAddress>(refs.ipAddresses)
      await cluster.client.delete(refs.ipAddresses, '', addresses[number % addresses.length]!.metadata.name!)
    }),
    steps(fc.integer({ min: 2, max: 4 }), 'range', ({ cluster }, number) =>
      cluster.create(refs.serviceCidrs, {
        metadata: { name: `range-${number}` },
        spec: { cidrs: [`10.${96 + number}.0.0/24`] },
      }),
    ),
    steps(node, 'lose node', async (world, name) => world.lose(name)),
    steps(node, 'regain node', (world, name) => world.regain(name)),
  ),
  expectOrder({ cluster }) {
    const services = cluster.list<Service>(refs.services)
    const balancers = services.filter(({ spec }) => spec?.type === 'LoadBalancer')
    const ready = cluster
      .list<Node>(refs.nodes)
      .filter(({ status }) => status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
      .map(({ status }) => status!.addresses![0]!.address)
      .toSorted()
    const pool = cluster.get<ConfigMap>(refs.configMaps, 'load-balancer', 'kube-system')?.data?.['addresses']
    const ipsOf = (one: Service): string[] => (one.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip!)
    const given = balancers.flatMap(ipsOf)
    if (pool === undefined) {
      // One port: the oldest has it, on every node.
      expect(given.toSorted()).toEqual(balancers.length > 0 ? ready : [])
    } else {
      expect(new Set(given).size).toBe(given.length)
      expect(given).toHaveLength(Math.min(2, balancers.length))
      for (const ip of given)
        expect(pool.includes('/31') ? ['198.51.100.4', '198.51.100.5'] : ['198.51.100.1', '198.51.100.2']).toContain(ip)
    }
    for (const other of services) if (other.spec?.type !== 'LoadBalancer') expect(ipsOf(other)).toEqual([])
    const held = new Set(services.flatMap(({ spec }) => spec?.clusterIPs ?? []).filter((ip) => ip !== 'None'))
    expect(
      cluster
        .list(refs.ipAddresses)
        .map(({ metadata }) => metadata.name)
        .toSorted(),
    ).toEqual([...held].toSorted())
    for (const range of cluster.list<ServiceCIDR>(refs.serviceCidrs))
      expect(range.status?.conditions?.map(({ type }) => type)).toEqual(['Ready'])
    for (const one of cluster.list<Endpoints>(refs.endpoints)) {
      const { name } = one.metadata
      if (!services.some(({ metadata }) => metadata.name === name)) continue
      const mirrored = cluster
        .list<EndpointSlice>(refs.endpointSlices)
        .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name)
        .flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses))
      expect(mirrored).toEqual(one.subsets![0]!.addresses!.map(({ ip }) => ip))
    }
    for (const one of cluster.list<Ingress>(refs.ingresses))
      expect((one.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)).toEqual(ready)
  },
}

const rbac = 'rbac.authorization.k8s.io'
const roles = { group: rbac, resource: 'roles' }
const makeNamespace = (cluster: TestCluster, name: string, parent?: string) =>
  cluster.create(refs.namespaces, { metadata: { name, ...(parent ? { labels: { [parentLabel]: parent } } : {}) } })

const space = fc.constantFrom('org', 'team', 'ci')

/** Namespaces end empty; those that stay have what each has, and what their ancestors have. */
export const namespaceScenario: Scenario = {
  controllers: ['namespace', 'namespace-defaults', 'namespace-hierarchy'],
  async prepare({ cluster }) {
    for (const [name, parent] of [['org'], ['team', 'org'], ['ci', 'team']] as const)
      await makeNamespace(cluster, name, parent)
  },
  step: fc.oneof(
    steps(
      fc.record({ name: space, parent: fc.constantFrom('', 'org', 'team') }),
      'namespace',
      ({ cluster }, { name, parent }) =>
        cluster.create(refs.namespaces, {
          metadata: { name, ...(parent ? { labels: { [parentLabel]: parent } } : {}) },
        }),
    ),
    steps(space, 'delete namespace', ({ cluster }, name) => cluster.client.delete(refs.namespaces, '', name)),
    steps(fc.record({ inside: space, number: index }), 'data', ({ cluster }, { inside, number }) =>
      cluster.get(refs.namespaces, inside)
        ? cluster.create(refs.configMaps, { metadata: { name: `data-${number}`, namespace: inside } })
        : Promise.resolve(),
    ),
    steps(
      fc.record({ inside: space, verb: fc.constantFrom('get', 'list') }),
      'role',
      async ({ cluster }, { inside, verb }) => {
        const rules = [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }]
        if (cluster.get(refs.namespaces, inside))
          await cluster.create(roles, { metadata: { name: `role-${inside}`, namespace: inside }, rules })
      },
    ),
    steps(space, 'delete default account', ({ cluster }, inside) =>
      cluster.client.delete(refs.serviceAccounts, inside, 'default'),
    ),
    steps(space, 'delete a role', ({ cluster }, inside) => cluster.client.delete(roles, inside, `role-${inside}`)),
  ),
  expectOrder({ cluster }) {
    const namespaces = cluster.list<Namespace>(refs.namespaces)
    const parentOf = (name: string): string | undefined =>
      namespaces.find(({ metadata }) => metadata.name === name)?.metadata.labels?.[parentLabel]
    for (const { metadata } of namespaces) {
      expect(metadata.deletionTimestamp).toBeUndefined()
      const name = metadata.name!
      expect(cluster.get<ServiceAccount>(refs.serviceAccounts, 'default', name)).toBeDefined()
      expect(cluster.get<ConfigMap>(refs.configMaps, 'kube-root-ca.crt', name)?.data).toEqual({ 'ca.crt': 'PEM' })
      const line = new Set([name])
      for (let up = parentOf(name); up && !line.has(up); up = parentOf(up)) line.add(up)
      for (const role of cluster.list<Role>(roles, name))
        expect([...line].map((one) => `role-${one}`)).toContain(role.metadata.name)
      for (const above of line)
        if (cluster.get(roles, `role-${above}`, above))
          expect(cluster.get<Role>(roles, `role-${above}`, name)?.rules).toEqual(
            cluster.get<Role>(roles, `role-${above}`, above)!.rules,
          )
    }
    for (const one of cluster.list<ConfigMap>(refs.configMaps))
      expect(namespaces.map(({ metadata }) => metadata.name)).toContain(one.metadata.namespace)
  },
}

/** The provider has what the cluster wants of it, and nothing else. */
export const cloudScenario: Scenario = {
  controllers: ['cloud-node', 'cloud-node-lifecycle', 'service', 'route'],
  with: ['node-lifecycle'],
  settleMs: 900_000,
  async prepare({ cluster, cloud }) {
    for (const name of ['one', 'two', 'three'])
      cloud.instances.set(name, {
        providerId: `memory://${name}`,
        zone: 'a',
        addresses: [],
        labels: {},
        isShutdown: false,
      })
    await cluster.create(refs.secrets, {
      metadata: { name: 'cloud-provider', namespace: 'kube-system' },
      stringData: { server: 'https://provider', features: 'instances load-balancers routes' },
    })
  },
  step: fc.oneof(
    steps(index, 'service', ({ cluster }, number) =>
      cluster.create(refs.services, {
        metadata: { name: `web-${number}` },
        spec: { type: 'LoadBalancer', ports: [{ port: 80 + number }] },
      }),
    ),
    steps(
      fc.record({ number: index, type: fc.constantFrom('ClusterIP', 'LoadBalancer') }),
      'type',
      ({ cluster }, { number, type }) =>
        cluster.change<Service>(refs.services, `web-${number}`, (one) => void (one.spec!.type = type)),
    ),
    steps(index, 'delete service', ({ cluster }, number) =>
      cluster.client.delete(refs.services, 'default', `web-${number}`),
    ),
    steps(isOn, 'provider fails', async ({ cloud }, fails) => void (cloud.problem = fails ? 'no quota' : undefined)),
    steps(isOn, 'provider is slow', async ({ cloud }, isSlow) => void (cloud.isSlow = isSlow)),
    steps(node, 'machine is gone', async (world, name) => {
      world.cloud.instances.delete(name)
      world.lose(name)
    }),
    steps(fc.record({ name: node, isShutdown: isOn }), 'switch', async ({ cloud }, { name, isShutdown }) => {
      const known = cloud.instances.get(name)
      if (known) cloud.instances.set(name, { ...known, isShutdown })
    }),
  ),
  async quieten({ cloud }) {
    cloud.problem = undefined
    cloud.isSlow = false
  },
  expectOrder({ cluster, cloud }) {
    const nodes = cluster.list<Node>(refs.nodes)
    expect(nodes.map(({ metadata }) => metadata.name!).toSorted()).toEqual([...cloud.instances.keys()].toSorted())
    for (const one of nodes) expect(one.spec?.providerID).toBe(`memory://${one.metadata.name}`)
    const balancers = cluster.list<Service>(refs.services).filter(({ spec }) => spec?.type === 'LoadBalancer')
    expect([...cloud.balancers.keys()].toSorted()).toEqual(balancers.map(({ metadata }) => metadata.uid!).toSorted())
    for (const one of balancers) {
      const { nodes: sentTo, ingress } = cloud.balancers.get(one.metadata.uid!)!
      expect(one.status!.loadBalancer!.ingress).toEqual(ingress)
      expect(sentTo).toEqual(nodes.map(({ metadata }) => metadata.name!).toSorted())
    }
    const routed = nodes.flatMap(({ spec }) => spec?.podCIDRs ?? [])
    expect([...cloud.routes.values()].map(({ destinationCidr }) => destinationCidr).toSorted()).toEqual(
      routed.toSorted(),
    )
  },
}
