import {
  bodyLimitFile,
  bodyLimitScript,
  countedFile,
  countedListText,
  countedRule,
  isCounted,
  sectionNames,
} from './body-limit.ts'
import type { Route, RouteBackend, RoutePlan } from './routes.ts'
import { slotName, type ServerSlots } from './server-slots.ts'

export interface HaproxyOptions {
  /** Directory of everything the proxy reads. */
  readonly dir: string
  readonly httpPort: number
  readonly httpsPort: number
  /** Whether Debian's user `haproxy` exists, as whom requests are then served. */
  readonly hasUser: boolean
  readonly threads: number
}

/** What the proxy reads, by file name below `dir`. All of it is written before it is told. */
export type HaproxyFiles = ReadonlyMap<string, string>

export const defaultCertificate = 'default.pem'
export const configFile = 'haproxy.cfg'
export const controlSocket = 'control.sock'

/** An old process goes on with its open connections for so long, then it is ended. */
const hardStop = '10m'
const tunnelTimeout = '1h'

/**
 * The configuration for a plan. Routes are looked up in maps, so that the cost of a request does not grow with their
 * number: host and path exactly, then the longest prefix in whole path elements, first for the host itself, then for
 * its wildcard (one label, as the API says), then for every host.
 */
export function haproxyFiles(
  plan: RoutePlan,
  slots: ReadonlyMap<string, ServerSlots>,
  options: HaproxyOptions,
): HaproxyFiles {
  const files = new Map<string, string>()
  files.set('exact.map', mapText(plan.routes, 'exact'))
  files.set('prefix.map', mapText(plan.routes, 'prefix'))
  // Looked for first, so that a name without a certificate gets the default one instead of an error.
  const list = [`${options.dir}/${defaultCertificate}`]
  for (const { name, pem, hosts } of plan.certificates) {
    files.set(`certificates/${name}.pem`, pem)
    list.push([`${options.dir}/certificates/${name}.pem`, ...hosts].join(' '))
  }
  files.set('certificates.list', `${list.join('\n')}\n`)
  files.set(countedFile, countedListText(plan.backends))
  files.set(bodyLimitFile, bodyLimitScript)
  files.set(configFile, configText(plan, slots, options))
  return files
}

/** A prefix ends with `/` in the map, and so does the path that is looked up: `/a` then covers `/a/b` but not `/ab`. */
function mapText(routes: readonly Route[], match: Route['match']): string {
  return routes
    .filter((route) => route.match === match)
    .map(({ host, path, backend }) => `${host || '-'}${path}${match === 'prefix' ? '/' : ''} ${backend}\n`)
    .toSorted()
    .join('')
}

function configText(plan: RoutePlan, slots: ReadonlyMap<string, ServerSlots>, options: HaproxyOptions): string {
  const { dir, httpPort, httpsPort, threads } = options
  const sections = [
    section('global', [
      'master-worker no-exit-on-failure',
      `nbthread ${threads}`,
      ...(options.hasUser ? ['user haproxy', 'group haproxy'] : []),
      `stats socket ${dir}/${controlSocket} mode 600 level admin expose-fd listeners`,
      'log stdout format raw local0',
      `hard-stop-after ${hardStop}`,
      'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
      'tune.ssl.default-dh-param 2048',
      `lua-load-per-thread ${dir}/${bodyLimitFile}`,
    ]),
    section('defaults', [
      'mode http',
      'log global',
      `log-format "${accessLog}"`,
      'option dontlognull',
      'option redispatch 1',
      'retry-on conn-failure empty-response',
      'timeout http-request 10s',
      'timeout client 60s',
      'timeout http-keep-alive 75s',
      'timeout connect 5s',
      'timeout server 60s',
      'timeout queue 5s',
      `timeout tunnel ${tunnelTimeout}`,
    ]),
    section('frontend ingress', [
      `bind :${httpPort}`,
      `bind :${httpsPort} ssl crt-list ${dir}/certificates.list alpn h2,http/1.1`,
      'http-request set-var(txn.host) req.hdr(host),field(1,:),lower',
      'http-request set-var(txn.wild) var(txn.host),regsub(^[^.]*,*)',
      // What the endpoint may have begun to do is not done twice, unless doing it twice is nothing.
      'http-request disable-l7-retry unless { method GET HEAD OPTIONS }',
      'http-after-response set-status 413 if { var(txn.too_large) -m bool }',
      'http-error status 400 content-type text/plain string "The request was refused.\\n"',
      'unique-id-format %[uuid()]',
      'http-request set-header X-Request-ID %[unique-id] unless { req.hdr(X-Request-ID) -m found }',
      'http-request set-header X-Real-IP %[src]',
      'http-request set-header X-Forwarded-For %[src]',
      'http-request set-header X-Forwarded-Host %[req.hdr(host)]',
      'http-request set-header X-Forwarded-Port %[dst_port]',
      'http-request set-header X-Forwarded-Proto https if { ssl_fc }',
      'http-request set-header X-Forwarded-Proto http unless { ssl_fc }',
      'http-request set-var(txn.any) str(-)',
      'http-request set-var(txn.path) path',
      ...['host', 'wild', 'any'].flatMap((scope) => lookups(scope, dir)),
      ...(plan.defaultBackend === undefined
        ? []
        : [`http-request set-var(txn.backend) str(${plan.defaultBackend}) unless { var(txn.backend) -m found }`]),
      countedRule(dir),
      'use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
      'default_backend nobody',
    ]),
    section('backend nobody', [
      'http-request return status 404 content-type text/plain string "default backend - 404\\n"',
    ]),
    ...plan.backends.flatMap((backend) =>
      sectionNames(backend).map((name) => backendText(name, backend, slots.get(name) ?? [], options)),
    ),
  ]
  return `${sections.join('\n')}`
}

const accessLog =
  '%ci - [%tr] \\"%HM %[capture.req.uri] %HV\\" %ST %B %Ta %[var(txn.host)] %b %s %si:%sp %TR/%Tw/%Tc/%Tr %tsc %ID'

const section = (title: string, lines: readonly string[]): string =>
  `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`

function lookups(scope: string, dir: string): string[] {
  const unless = 'unless { var(txn.backend) -m found }'
  return [
    `http-request set-var(txn.exact) var(txn.${scope}),concat(,txn.path,) ${unless}`,
    `http-request set-var(txn.prefix) var(txn.exact),concat(/) ${unless}`,
    `http-request set-var(txn.backend) var(txn.exact),map_str(${dir}/exact.map) ${unless}`,
    `http-request set-var(txn.backend) var(txn.prefix),map_beg(${dir}/prefix.map) ${unless}`,
  ]
}

function backendText(name: string, backend: RouteBackend, slots: ServerSlots, options: HaproxyOptions): string {
  const { settings, protocol } = backend
  const seconds = Math.max(settings.readTimeoutSeconds, settings.sendTimeoutSeconds)
  return section(`backend ${name}`, [
    ...redirectLines(backend, options.httpsPort),
    ...(isCounted(name) ? [`filter lua.body-limit ${settings.maxBodyBytes}`] : []),
    ...(settings.maxBodyBytes > 0
      ? [`http-request deny deny_status 413 if { req.body_size gt ${settings.maxBodyBytes} }`]
      : []),
    `timeout connect ${settings.connectTimeoutSeconds}s`,
    `timeout server ${seconds}s`,
    `retries ${settings.retries}`,
    'balance roundrobin',
    `default-server ${serverOptions[protocol]}init-addr last,libc,none`,
    ...slots.map((address, index) =>
      address === undefined ? `server ${slotName(index)} 127.0.0.1:1 disabled` : `server ${slotName(index)} ${address}`,
    ),
  ])
}

/** Endpoints' certificates are made by whoever wrote the pod: encrypted, not verified, as ingress-nginx does. */
const serverOptions = {
  http: '',
  https: 'ssl verify none alpn http/1.1 ',
  h2c: 'proto h2 ',
  h2: 'ssl verify none alpn h2 ',
} as const

function redirectLines({ redirectHosts }: RouteBackend, httpsPort: number): string[] {
  const port = httpsPort === 443 ? '' : `:${httpsPort}`
  const redirect = `http-request redirect code 308 location https://%[var(txn.host)]${port}%[pathq] if !{ ssl_fc }`
  if (redirectHosts === 'all') return [redirect]
  return redirectHosts.map(
    (host) => `${redirect} { var(txn.${host.startsWith('*.') ? 'wild' : 'host'}) -m str ${host} }`,
  )
}
