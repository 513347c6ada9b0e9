import { expect, test } from 'vitest'
import { configFile, haproxyFiles } from './haproxy-config.ts'
import { planRoutes } from './routes.ts'
import { assignAllSlots } from './server-slots.ts'
import { ingressOf, stateOf, to } from './testing.ts'

const options = { dir: '/d', httpPort: 80, httpsPort: 443, hasUser: false, threads: 2 }

function filesOf(...input: Parameters<typeof stateOf>): ReadonlyMap<string, string> {
  const plan = planRoutes(stateOf(...input))
  return haproxyFiles(plan, assignAllSlots(new Map(), plan.backends), options)
}

const section = (files: ReadonlyMap<string, string>, title: string): string[] => {
  const text = files.get(configFile)!
  const from = `\n${text}`.indexOf(`\n${title}\n`)
  expect(from, `${title} in ${text}`).toBeGreaterThanOrEqual(0)
  return text
    .slice(from)
    .split(/\n(?=\S|$)/)[0]!
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
}

const path = (text: string, pathType: string, service = 'web') => ({ path: text, pathType, backend: to(service) })

test('maps: a prefix is looked up in whole elements, an exact path as it is, every host under "-"', () => {
  const files = filesOf({
    services: { web: {} },
    ingresses: [
      ingressOf('a', {
        rules: [
          { host: 'h.example', http: { paths: [path('/', 'Prefix'), path('/a/', 'Prefix'), path('/e', 'Exact')] } },
          { http: { paths: [path('/any', 'Prefix')] } },
          { host: '*.h.example', http: { paths: [path('/', 'Prefix')] } },
        ],
      }),
    ],
  })
  expect(files.get('exact.map')).toBe('h.example/e default_a_web_80\n')
  expect(files.get('prefix.map')!.split('\n')).toEqual([
    '*.h.example/ default_a_web_80',
    '-/any/ default_a_web_80',
    'h.example/ default_a_web_80',
    'h.example/a/ default_a_web_80',
    '',
  ])
})

test('a backend has its limits, its redirects, and a slot for each endpoint with room for more', () => {
  const files = filesOf({
    services: { web: { addresses: ['10.0.0.1'] } },
    secrets: { s: { crt: 'C', key: 'K' } },
    ingresses: [
      ingressOf(
        'a',
        { tls: [{ hosts: ['x.example', '*.y.example'], secretName: 's' }], defaultBackend: to('web') },
        { 'ingress.stormo.dev/proxy-read-timeout': '300', 'ingress.stormo.dev/proxy-body-size': '2k' },
      ),
    ],
  })
  const lines = section(files, 'backend default_a_web_80')
  expect(lines).toContain('timeout server 300s')
  expect(lines).toContain('http-request deny deny_status 413 if { req.body_size gt 2048 }')
  expect(lines.filter((line) => line.includes('redirect'))).toEqual([
    'http-request redirect code 308 location https://%[var(txn.host)]%[pathq] if !{ ssl_fc } { var(txn.wild) -m str *.y.example }',
    'http-request redirect code 308 location https://%[var(txn.host)]%[pathq] if !{ ssl_fc } { var(txn.host) -m str x.example }',
  ])
  expect(lines.filter((line) => line.startsWith('server '))).toEqual([
    'server s1 10.0.0.1:8080',
    'server s2 127.0.0.1:1 disabled',
    'server s3 127.0.0.1:1 disabled',
    'server s4 127.0.0.1:1 disabled',
  ])
  expect(files.get('certificates.list')).toBe('/d/default.pem\n/d/certificates/default_s.pem *.y.example x.example\n')
  expect(files.get('certificates/default_s.pem')).toBe('C\nK\n')
})

test('gRPC is spoken without TLS when the port or an annotation says so; with TLS nobody is verified', () => {
  const serverLine = (appProtocol: string | undefined, annotation?: string): string | undefined =>
    section(
      filesOf({
        services: { web: { ports: [{ name: 'http', port: 80, appProtocol }] } },
        ingresses: [
          ingressOf(
            'a',
            { defaultBackend: to('web') },
            annotation ? { 'ingress.stormo.dev/backend-protocol': annotation } : undefined,
          ),
        ],
      }),
      'backend default_a_web_80',
    ).find((line) => line.startsWith('default-server'))
  expect(serverLine(undefined)).toBe('default-server init-addr last,libc,none')
  expect(serverLine('kubernetes.io/h2c')).toContain('proto h2')
  expect(serverLine(undefined, 'GRPC')).toContain('proto h2')
  expect(serverLine(undefined, 'HTTPS')).toContain('ssl verify none')
})

test('what no route takes goes to the default backend, or is answered with 404', () => {
  const withOne = filesOf({ services: { web: {} }, ingresses: [ingressOf('a', { defaultBackend: to('web') })] })
  const taken = 'http-request set-var(txn.backend) str(default_a_web_80) unless { var(txn.backend) -m found }'
  expect(section(withOne, 'frontend ingress')).toContain(taken)
  const withNone = section(filesOf({ ingresses: [] }), 'frontend ingress')
  expect(withNone.filter((line) => line.includes('txn.backend) str('))).toEqual([])
  expect(withNone).toContain('default_backend nobody')
})

test('what has bodies to count stands there twice, with the same servers: not what has no limit, nor streams of gRPC', () => {
  const ingress = (name: string, annotations: Record<string, string>) =>
    ingressOf(name, { rules: [{ host: `${name}.example`, http: { paths: [path('/', 'Prefix')] } }] }, annotations)
  const files = filesOf({
    services: { web: { addresses: ['10.0.0.1'] } },
    ingresses: [
      ingress('plain', {}),
      ingress('free', { 'ingress.stormo.dev/proxy-body-size': '0' }),
      ingress('rpc', { 'ingress.stormo.dev/backend-protocol': 'GRPC' }),
      ingress('named', {
        'ingress.stormo.dev/backend-protocol': 'GRPC',
        'ingress.stormo.dev/proxy-body-size': '1k',
      }),
    ],
  })
  expect(files.get('counted.list')).toBe('default_named_web_80\ndefault_plain_web_80\n')
  const [quick, counted] = ['backend default_plain_web_80', 'backend default_plain_web_80.counted'].map((title) =>
    section(files, title),
  )
  expect(counted!.filter((line) => !quick!.includes(line))).toEqual(['filter lua.body-limit 1048576'])
  expect(quick!.every((line) => counted!.includes(line))).toBe(true)
  expect(files.get(configFile)).not.toMatch(/^backend default_(free|rpc)_web_80.counted/m)
})
