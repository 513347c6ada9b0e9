/** Manifests for tests, as a user would write them. */

export const template = (image = 'nginx:1', spec: object = {}, labels: Record<string, string> = { app: 'web' }) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'main', image }], ...spec },
})

/** A workload named `web` with a selector that matches its template. */
export const workload = (spec: object = {}, name = 'web') => ({
  metadata: { name },
  spec: { selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
})

export const job = (spec: object = {}, name = 'work') => ({
  metadata: { name },
  spec: { template: template('busybox', { restartPolicy: 'Never' }), ...spec },
})
