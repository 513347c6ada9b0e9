import { describe, expect, test } from 'vitest'
import { planRoutes } from './routes.ts'
import { ingressOf, stateOf, to } from './testing.ts'

const services = { web: { addresses: ['10.0.0.2', '10.0.0.1'] }, api: { addresses: ['10.0.0.9'] } }
const rule = (
  host: string | undefined,
  path: string,
  pathType: string,
  service: string,
  port: number | string = 80,
) => ({
  host,
  http: { paths: [{ path, pathType, backend: to(service, port) }] },
})

describe('routes', () => {
  test('name host, path and backend; a prefix has no slash at its end; ImplementationSpecific is a prefix', () => {
    const { routes, backends, problems } = planRoutes(
      stateOf({
        services,
        ingresses: [
          ingressOf('a', {
            rules: [
              rule('Shop.example', '/', 'Prefix', 'web'),
              rule('shop.example', '/api/', 'ImplementationSpecific', 'api', 'http'),
              rule('*.shop.example', '/only/', 'Exact', 'api'),
            ],
          }),
        ],
      }),
    )
    expect(problems).toEqual([])
    expect(routes).toEqual([
      { host: 'shop.example', path: '', match: 'prefix', backend: 'default_a_web_80' },
      { host: 'shop.example', path: '/api', match: 'prefix', backend: 'default_a_api_http' },
      { host: '*.shop.example', path: '/only/', match: 'exact', backend: 'default_a_api_80' },
    ])
    expect(backends.map((one) => [one.name, one.endpoints])).toEqual([
      ['default_a_web_80', ['10.0.0.1:8080', '10.0.0.2:8080']],
      ['default_a_api_http', ['10.0.0.9:8080']],
      ['default_a_api_80', ['10.0.0.9:8080']],
    ])
  })

  test('are those of our classes only, named by field or by the old annotation', () => {
    const spec = { rules: [rule('h', '/', 'Prefix', 'web')] }
    const { routes } = planRoutes(
      stateOf({
        services,
        ingresses: [
          ingressOf('other', { ...spec, ingressClassName: 'nginx' }),
          ingressOf('nobody', { ...spec, ingressClassName: undefined }),
          ingressOf('old', { ...spec, ingressClassName: undefined }, { 'kubernetes.io/ingress.class': 'stormo' }),
        ],
      }),
    )
    expect(routes.map((one) => one.backend)).toEqual(['default_old_web_80'])
  })

  test('the older of two Ingresses keeps host and path, and the younger is told', () => {
    const older = ingressOf('z', { rules: [rule('h', '/', 'Prefix', 'web')] })
    const younger = ingressOf('a', { rules: [rule('h', '/', 'Prefix', 'api')] })
    younger.metadata.creationTimestamp = '2026-01-02T00:00:00Z'
    const { routes, problems } = planRoutes(stateOf({ services, ingresses: [younger, older] }))
    expect(routes.map((one) => one.backend)).toEqual(['default_z_web_80'])
    expect(problems).toMatchObject([{ about: { name: 'a' }, message: 'h/ is already served by an older Ingress' }])
  })

  test('the default backend takes what the rules of its hosts leave over, or everything without rules', () => {
    const { routes, defaultBackend } = planRoutes(
      stateOf({
        services,
        ingresses: [
          ingressOf('a', { defaultBackend: to('api'), rules: [rule('h', '/x', 'Prefix', 'web')] }),
          ingressOf('b', { defaultBackend: to('web') }),
        ],
      }),
    )
    expect(routes.map((one) => [one.host, one.path, one.backend])).toEqual([
      ['h', '/x', 'default_a_web_80'],
      ['h', '', 'default_a_api_80'],
    ])
    expect(defaultBackend).toBe('default_b_web_80')
  })

  test('a missing service or port is a route to nobody, and said', () => {
    const { backends, problems } = planRoutes(
      stateOf({
        services,
        ingresses: [
          ingressOf('a', { rules: [rule('h', '/', 'Prefix', 'gone'), rule('h', '/w', 'Prefix', 'web', 81)] }),
        ],
      }),
    )
    expect(backends.map((one) => one.endpoints)).toEqual([[], []])
    expect(problems.map((one) => one.message)).toEqual([
      'service "gone" does not exist',
      'service "web" has no port 81',
    ])
  })

  test('endpoints that drain serve only when none is ready', () => {
    const ingresses = [ingressOf('a', { defaultBackend: to('web') })]
    const endpoints = (addresses: string[]) =>
      planRoutes(stateOf({ ingresses, services: { web: { addresses, notReady: ['10.0.0.7'] } } })).backends[0]
        ?.endpoints
    expect(endpoints(['10.0.0.1'])).toEqual(['10.0.0.1:8080'])
    expect(endpoints([])).toEqual(['10.0.0.7:8080'])
  })
})

describe('TLS', () => {
  const tls = [{ hosts: ['b.example', 'A.example'], secretName: 'cert' }]
  const secrets = { cert: { crt: 'CHAIN\n', key: 'KEY' } }

  test('a secret is a certificate for its hosts, whose plain requests are redirected', () => {
    const { certificates, backends } = planRoutes(
      stateOf({ services, secrets, ingresses: [ingressOf('a', { tls, defaultBackend: to('web') })] }),
    )
    expect(certificates).toEqual([{ name: 'default_cert', pem: 'CHAIN\nKEY\n', hosts: ['A.example', 'b.example'] }])
    expect(backends[0]?.redirectHosts).toEqual(['a.example', 'b.example'])
  })

  test('ssl-redirect "false" ends the redirect; force-ssl-redirect asks for it without TLS', () => {
    const redirects = (annotations: Record<string, string>, withTls: boolean) =>
      planRoutes(
        stateOf({
          services,
          secrets,
          ingresses: [ingressOf('a', { ...(withTls ? { tls } : {}), defaultBackend: to('web') }, annotations)],
        }),
      ).backends[0]?.redirectHosts
    expect(redirects({ 'ingress.stormo.dev/ssl-redirect': 'false' }, true)).toEqual([])
    expect(redirects({ 'nginx.ingress.kubernetes.io/force-ssl-redirect': 'true' }, false)).toBe('all')
  })

  test('a missing secret is said, and nobody is left without an answer', () => {
    const { certificates, problems } = planRoutes(
      stateOf({ services, ingresses: [ingressOf('a', { tls, defaultBackend: to('web') })] }),
    )
    expect(certificates).toEqual([])
    expect(problems[0]?.message).toBe('secret "cert" does not exist: the default certificate is used')
  })
})

test('annotations: ours before those of ingress-nginx; what cannot be read leaves the default and is named', () => {
  const { backends, problems } = planRoutes(
    stateOf({
      services,
      ingresses: [
        ingressOf(
          'a',
          { defaultBackend: to('web') },
          {
            'ingress.stormo.dev/proxy-body-size': '8m',
            'nginx.ingress.kubernetes.io/proxy-body-size': '1k',
            'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
            'nginx.ingress.kubernetes.io/backend-protocol': 'GRPC',
            'nginx.ingress.kubernetes.io/proxy-connect-timeout': 'soon',
          },
        ),
      ],
    }),
  )
  expect(backends[0]).toMatchObject({
    protocol: 'h2c',
    settings: { maxBodyBytes: 8 * 1024 * 1024, readTimeoutSeconds: 3600, connectTimeoutSeconds: 5 },
  })
  expect(problems.map((one) => one.message)).toEqual([
    'annotation nginx.ingress.kubernetes.io/proxy-connect-timeout: "soon" must be seconds, 1 to 86400',
  ])
})
