import type { Lifecycle, LifecycleHandler, Probe } from '../../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../../api/status-error.ts'
import { portName, portNumber } from '../../meta/names.ts'
import { invalidEach, nonNegative, oneOf } from '../../meta/validate.ts'

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & Pick<LifecycleHandler, 'sleep'>

export function validateProbe(probe: Probe | undefined, path: string): FieldError[] {
  if (!probe) return []
  const wrong = validateHandler(probe, path)
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    wrong.push(...nonNegative(`${path}.${field}`, probe[field]))
  }
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0) {
    wrong.push(fieldErrors.invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  }
  return wrong
}

export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  graceSeconds: number | undefined,
  path: string,
): FieldError[] {
  const wrong: FieldError[] = []
  for (const hook of ['postStart', 'preStop'] as const) {
    const handler = lifecycle?.[hook]
    if (!handler) continue
    wrong.push(...validateHandler(handler, `${path}.${hook}`))
    const seconds = handler.sleep?.seconds
    if (seconds !== undefined && (seconds < 0 || (graceSeconds !== undefined && seconds > graceSeconds))) {
      wrong.push(
        fieldErrors.invalid(
          `${path}.${hook}.sleep`,
          seconds,
          `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds ?? 0})`,
        ),
      )
    }
  }
  return wrong
}

function validateHandler({ exec, httpGet, tcpSocket, grpc, sleep }: Handler, path: string): FieldError[] {
  const given = Object.entries({ exec, httpGet, tcpSocket, grpc, sleep }).filter(([, handler]) => handler !== undefined)
  if (given.length === 0) return [fieldErrors.required(path, 'must specify a handler type')]
  const wrong = given
    .slice(1)
    .map(([type]) => fieldErrors.forbidden(`${path}.${type}`, 'may not specify more than 1 handler type'))
  if (exec && !exec.command?.length) wrong.push(fieldErrors.required(`${path}.exec.command`))
  if (httpGet) {
    const at = `${path}.httpGet`
    if (!httpGet.path) wrong.push(fieldErrors.required(`${at}.path`))
    wrong.push(...validatePort(httpGet.port, `${at}.port`), ...oneOf(`${at}.scheme`, httpGet.scheme, ['HTTP', 'HTTPS']))
    for (const [index, { name }] of (httpGet.httpHeaders ?? []).entries()) {
      if (!/^[-A-Za-z0-9]+$/.test(name ?? '')) {
        wrong.push(
          fieldErrors.invalid(
            `${at}.httpHeaders[${index}].name`,
            name ?? '',
            "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
          ),
        )
      }
    }
  }
  if (tcpSocket) wrong.push(...validatePort(tcpSocket.port, `${path}.tcpSocket.port`))
  if (grpc) wrong.push(...validatePort(grpc.port, `${path}.grpc.port`))
  return wrong
}

/** A port by number or by name. */
export function validatePort(port: number | string, path: string): FieldError[] {
  return invalidEach(path, port ?? 0, typeof port === 'string' ? portName(port) : portNumber(port ?? 0))
}
