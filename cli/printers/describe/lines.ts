import type { KubeObject } from '../../../src/api/object.ts'

/** Longest annotation that stands beside its key. */
const maxAnnotationLength = 140
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/** What a describer needs besides the object: the time, and objects that it refers to. Cells are separated by tabs. */
export interface DescribeContext {
  nowMs: number
  /** Events about the object, or undefined when they are not asked for. */
  events?: readonly EventLike[]
}

/** core/v1 Event, as far as it is printed. */
export interface EventLike {
  type?: string
  reason?: string
  message?: string
  count?: number
  firstTimestamp?: string | null
  lastTimestamp?: string | null
  eventTime?: string | null
  source?: { component?: string }
  reportingComponent?: string
  series?: { count?: number; lastObservedTime?: string }
}

export const indent = (level: number, lines: readonly string[]): string[] =>
  lines.map((line) => '  '.repeat(level) + line)

/** `title:<tab>first`, then each further one below it; `<none>` for none. */
export const multiline = (title: string, values: readonly string[]): string[] =>
  values.length === 0
    ? [`${title}:\t<none>`]
    : values.map((value, index) => (index === 0 ? `${title}:\t${value}` : `\t${value}`))

export const sortedEntries = <T>(map: Readonly<Record<string, T>> | undefined): [string, T][] =>
  Object.entries(map ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))

export const labelLines = (title: string, labels: Readonly<Record<string, string>> | undefined): string[] =>
  multiline(
    title,
    sortedEntries(labels).map(([key, value]) => `${key}=${value}`),
  )

/** Annotations; long ones and those of several lines stand below their key. */
export function annotationLines(annotations: Readonly<Record<string, string>> | undefined): string[] {
  const shown = sortedEntries(annotations).filter(([key]) => key !== lastApplied)
  const texts = shown.flatMap(([key, value]) => {
    const text = value.endsWith('\n') ? value.slice(0, -1) : value
    const isShort = key.length + text.length + 2 < maxAnnotationLength && !text.includes('\n')
    return isShort ? [`${key}: ${text}`] : [`${key}:`, ...text.split('\n').map((line) => clip(`  ${line}`))]
  })
  return multiline('Annotations', texts)
}

const clip = (line: string): string =>
  line.length > maxAnnotationLength ? `${line.slice(0, maxAnnotationLength)}...` : line

/** A list as Go prints it: `[a b]`. */
export const goList = (values: readonly unknown[] = []): string => `[${values.join(' ')}]`

export const boolText = (value: boolean | undefined): string =>
  value === undefined ? '<unset>' : value ? 'True' : 'False'

/** Name, namespace (where there is one), labels and annotations: the head of most descriptions. */
export const headLines = ({ metadata }: KubeObject, withNamespace = true): string[] => [
  `Name:\t${metadata.name ?? ''}`,
  ...(withNamespace ? [`Namespace:\t${metadata.namespace ?? ''}`] : []),
  ...labelLines('Labels', metadata.labels),
  ...annotationLines(metadata.annotations),
]

/** An RFC 3339 time as kubectl's descriptions show it: `Mon, 02 Jan 2006 15:04:05 +0000`. */
export function fullTime(timestamp: string | undefined | null): string {
  const time = timestamp ? new Date(timestamp) : undefined
  return time && !Number.isNaN(time.getTime()) ? time.toUTCString().replace('GMT', '+0000') : '<unset>'
}

/** `ReplicaSet/web-5d8`, the controller of an object. */
export function controllerOf({ metadata }: KubeObject): string | undefined {
  const owner = metadata.ownerReferences?.find((one) => one.controller)
  return owner ? `${owner.kind}/${owner.name}` : undefined
}
