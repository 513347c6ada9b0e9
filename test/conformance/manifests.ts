/** A small Deployment named after its app. */
export function deployment(name: string, replicas: number): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: { app: name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name, image: 'nginx:1', ports: [{ containerPort: 80 }] }] },
      },
    },
  }
}

/** A headless Service, so that no address space is needed. */
export function service(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { clusterIP: 'None', selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
  }
}

/** A pod template labelled `app: <name>` with one container; `labelled: false` leaves the labels to the controller. */
export function podTemplate(name: string, spec: object = {}, labelled = true): object {
  return {
    ...(labelled ? { metadata: { labels: { app: name } } } : {}),
    spec: { containers: [{ name, image: 'nginx:1' }], ...spec },
  }
}
