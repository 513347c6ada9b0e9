import { ingressController } from '../api/ingress-class.ts'
import type { EndpointSlice, Ingress, IngressSpec, Secret, Service, ServicePort } from '../api/kinds.ts'
import type { IngressState } from './routes.ts'

/** A state of one namespace, `default`, for tests: services by name with their ports and endpoints. */
export function stateOf(options: {
  ingresses: readonly Ingress[]
  services?: Readonly<Record<string, { ports?: ServicePort[]; addresses?: string[]; notReady?: string[] }>>
  secrets?: Readonly<Record<string, { crt: string; key: string }>>
}): IngressState {
  return {
    ingresses: options.ingresses,
    classes: [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name: 'stormo' },
        spec: { controller: ingressController },
      },
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name: 'nginx' },
        spec: { controller: 'k8s.io/ingress-nginx' },
      },
    ],
    service(_namespace, name): Service | undefined {
      const found = options.services?.[name]
      const ports = found?.ports ?? [{ name: 'http', port: 80 }]
      return found && { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { ports } }
    },
    slices(_namespace, name): EndpointSlice[] {
      const found = options.services?.[name]
      const endpoints = [
        ...(found?.addresses ?? []).map((one) => ({ addresses: [one], conditions: { ready: true } })),
        ...(found?.notReady ?? []).map((one) => ({
          addresses: [one],
          conditions: { ready: false, serving: true, terminating: true },
        })),
      ]
      const ports = (found?.ports ?? [{ name: 'http', port: 80 }]).map(({ name }) => ({ name, port: 8080 }))
      const kind = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name } }
      return [{ ...kind, addressType: 'IPv4', ports, endpoints }]
    },
    secret(_namespace, name): Secret | undefined {
      const found = options.secrets?.[name]
      const base64 = (text: string): string => Buffer.from(text).toString('base64')
      return (
        found && {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name, namespace: 'default' },
          data: { 'tls.crt': base64(found.crt), 'tls.key': base64(found.key) },
        }
      )
    },
  }
}

export const ingressOf = (name: string, spec: IngressSpec, annotations?: Record<string, string>): Ingress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: { name, namespace: 'default', annotations, creationTimestamp: `2026-01-01T00:00:00Z` },
  spec: { ingressClassName: 'stormo', ...spec },
})

export const to = (name: string, port: number | string = 80) => ({
  service: { name, port: typeof port === 'number' ? { number: port } : { name: port } },
})
