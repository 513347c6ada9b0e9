import type { Ingress, IngressClass, Node } from './kinds.ts'

/** Name of the IngressClass that every cluster has, and its spec.controller: those that the agents serve. */
export const ingressClassName = 'stormo'
export const ingressController = 'stormo.dev/ingress'

/** On a Node that serves Ingress: those whose addresses are written into the status of Ingresses. */
export const servingAnnotation = 'ingress.stormo.dev/serving'

export const servesIngress = (node: Node): boolean => node.metadata.annotations?.[servingAnnotation] === 'true'

/** The Ingresses that are ours, by class, oldest first: of two that want the same host and path the older one has it. */
export function ownIngresses(ingresses: readonly Ingress[], classes: readonly IngressClass[]): Ingress[] {
  const ours = new Set<string | undefined>(
    classes.filter((one) => one.spec?.controller === ingressController).map((one) => one.metadata.name),
  )
  return ingresses
    .filter((one) =>
      ours.has(one.spec?.ingressClassName ?? one.metadata.annotations?.['kubernetes.io/ingress.class'] ?? ''),
    )
    .toSorted((a, b) => compare(ageKey(a), ageKey(b)))
}

const ageKey = ({ metadata }: Ingress): string =>
  `${metadata.creationTimestamp ?? ''}\n${metadata.namespace}\n${metadata.name}`

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
