import type { ConfigMap, EnvVar, Pod, Secret } from '../../api/kinds.ts'
import type { AnyContainer } from '../core/pod-view.ts'
import { expand } from './expansion.ts'
import { fieldValue, resourceValue, type DownwardFacts } from './field-path.ts'

/** Looks things up in the pod's namespace. */
export interface PodSources {
  configMap(name: string): ConfigMap | undefined
  secret(name: string): Secret | undefined
}

/** What a container's environment is made of, beside its pod. */
export interface EnvSources extends PodSources {
  /** Of a file in one of its volumes; undefined when either is missing. */
  fileValue(volume: string, path: string, key: string): string | undefined
}

/** A container cannot be configured: CreateContainerConfigError with this message. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/**
 * The environment of a container in order of precedence, lowest first: services, envFrom, env. Throws
 * {@link ConfigError} when something that is not optional is missing.
 */
export function containerEnv(
  pod: Pod,
  container: AnyContainer,
  services: ReadonlyMap<string, string>,
  sources: EnvSources,
  facts: DownwardFacts,
): Map<string, string> {
  const env = new Map<string, string>()
  for (const from of container.envFrom ?? []) {
    for (const [key, value] of envFromData(from, sources)) env.set(`${from.prefix ?? ''}${key}`, value)
  }
  const explicit = new Map<string, string>()
  for (const variable of container.env ?? []) {
    const lookup = (name: string): string | undefined => explicit.get(name) ?? env.get(name) ?? services.get(name)
    const value = variableValue(pod, container, variable, lookup, sources, facts)
    if (value !== undefined) explicit.set(variable.name, value)
  }
  const result = new Map<string, string>(explicit)
  for (const [name, value] of env) if (!result.has(name)) result.set(name, value)
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value)
  return result
}

function envFromData(from: NonNullable<AnyContainer['envFrom']>[number], sources: PodSources): [string, string][] {
  if (from.configMapRef) {
    const name = from.configMapRef.name ?? ''
    const found = sources.configMap(name)
    if (found === undefined && !from.configMapRef.optional) throw new ConfigError(`configmap "${name}" not found`)
    return Object.entries(found?.data ?? {})
  }
  if (from.secretRef) {
    const name = from.secretRef.name ?? ''
    const found = sources.secret(name)
    if (found === undefined && !from.secretRef.optional) throw new ConfigError(`secret "${name}" not found`)
    return Object.entries(found?.data ?? {}).map(([key, value]) => [key, decode(String(value))])
  }
  return []
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8')

function variableValue(
  pod: Pod,
  container: AnyContainer,
  variable: EnvVar,
  lookup: (name: string) => string | undefined,
  sources: EnvSources,
  facts: DownwardFacts,
): string | undefined {
  const from = variable.valueFrom
  if (!from) return expand(variable.value ?? '', lookup)
  const namespace = pod.metadata.namespace ?? ''
  if (from.fieldRef) return fieldValue(pod, from.fieldRef.fieldPath, facts)
  if (from.resourceFieldRef) return resourceValue(pod, container.name, from.resourceFieldRef, facts)
  if (from.configMapKeyRef) {
    const { name = '', key, optional } = from.configMapKeyRef
    const found = sources.configMap(name)
    if (found === undefined && !optional) throw new ConfigError(`configmap "${name}" not found`)
    const value = found?.data?.[key]
    if (value === undefined && !optional)
      throw new ConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`)
    return value
  }
  if (from.secretKeyRef) {
    const { name = '', key, optional } = from.secretKeyRef
    const found = sources.secret(name)
    if (found === undefined && !optional) throw new ConfigError(`secret "${name}" not found`)
    const value = found?.data?.[key]
    if (value === undefined && !optional)
      throw new ConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`)
    return value === undefined ? undefined : decode(String(value))
  }
  if (from.fileKeyRef) {
    const { volumeName, path, key, optional } = from.fileKeyRef
    const value = sources.fileValue(volumeName, path, key)
    if (value === undefined && !optional)
      throw new ConfigError(`environment variable key "${key}" not found in file "${path}"`)
    return value
  }
  return ''
}
