import type { Kubeconfig, KubeconfigEntry } from '../../src/client/kubeconfig.ts'
import { UsageError } from '../command.ts'

/** What is never shown unasked, and what stands in its place. */
const redactions: Readonly<Record<string, string>> = {
  token: 'REDACTED',
  password: 'REDACTED',
  'client-key-data': 'DATA+OMITTED',
  'client-certificate-data': 'DATA+OMITTED',
  'certificate-authority-data': 'DATA+OMITTED',
}

const redactFields = <T extends object>(fields: T): T =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value ? (redactions[key] ?? value) : value]),
  ) as T

/** Without keys and tokens. */
export const redacted = (config: Kubeconfig): Kubeconfig => ({
  ...config,
  clusters: (config.clusters ?? []).map((one) => ({ ...one, cluster: redactFields(one.cluster ?? {}) })),
  users: (config.users ?? []).map((one) => ({ ...one, user: redactFields(one.user ?? {}) })),
})

export function contextOf(config: Kubeconfig, name: string | undefined): KubeconfigEntry {
  if (!name) throw new UsageError('current-context is not set')
  const found = config.contexts?.find((one) => one.name === name)
  if (!found) throw new UsageError(`no context exists with the name: "${name}"`)
  return found
}

/** Only what the current context needs. */
export function minified(config: Kubeconfig): Kubeconfig {
  const name = config['current-context']
  if (!name) throw new UsageError('current-context must exist in order to minify')
  const entry = config.contexts?.find((one) => one.name === name)
  if (!entry) throw new UsageError(`cannot locate context ${name}`)
  return {
    ...config,
    contexts: [entry],
    clusters: (config.clusters ?? []).filter((one) => one.name === entry.context?.cluster),
    users: (config.users ?? []).filter((one) => one.name === entry.context?.user),
  }
}

/** With the contents of files in the place of their paths, so that it stands by itself. */
export function flattened(config: Kubeconfig, readFile: (path: string) => Buffer): Kubeconfig {
  const inline = <T extends object>(fields: T | undefined, keys: readonly string[]): T => {
    const left: Record<string, unknown> = { ...fields }
    for (const key of keys) {
      const path = left[key]
      if (typeof path !== 'string' || path === '') continue
      left[`${key}-data`] ??= readFile(path).toString('base64')
      delete left[key]
    }
    return left as T
  }
  return {
    ...config,
    clusters: (config.clusters ?? []).map((one) => ({
      ...one,
      cluster: inline(one.cluster, ['certificate-authority']),
    })),
    users: (config.users ?? []).map((one) => ({
      ...one,
      user: inline(one.user, ['client-certificate', 'client-key']),
    })),
  }
}
