import type { Event, EventsV1Event } from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { age } from '../../lib/duration.ts'
import { column, nameColumn, wide } from '../columns.ts'
import { qualifiedName } from '../meta/names.ts'
import { immutable, invalidEach } from '../meta/validate.ts'
import { traits } from '../traits.ts'

const firstSeen = (event: Event, nowMs: number) => age(event.firstTimestamp || event.eventTime, nowMs)

function lastSeen(event: Event, nowMs: number): string {
  if (event.series) return age(event.series.lastObservedTime, nowMs)
  return event.lastTimestamp ? age(event.lastTimestamp, nowMs) : firstSeen(event, nowMs)
}

function targetOf({ involvedObject }: Event): string {
  const { kind = '', name } = involvedObject ?? {}
  return name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase()
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || reportingComponent || ''
  const host = source?.host || reportingInstance || ''
  return host ? `${component}, ${host}` : component
}

/** The columns, for a view that finds the core event inside whichever version is printed. */
function columnsOf<T extends KubeObject>(core: (object: T) => Event) {
  return [
    column<T>('Last Seen', (event, nowMs) => lastSeen(core(event), nowMs)),
    column<T>('Type', (event) => core(event).type ?? ''),
    column<T>('Reason', (event) => core(event).reason ?? ''),
    column<T>('Object', (event) => targetOf(core(event))),
    wide<T>('Subobject', (event) => core(event).involvedObject?.fieldPath ?? ''),
    wide<T>('Source', (event) => sourceOf(core(event))),
    column<T>('Message', (event) => (core(event).message ?? '').trim()),
    wide<T>('First Seen', (event, nowMs) => firstSeen(core(event), nowMs)),
    wide<T>('Count', (event) => core(event).series?.count ?? (core(event).count || 1)),
    { ...nameColumn, priority: 1 },
  ]
}

/** events.k8s.io/v1 as it is stored: the same facts under their older names. */
export function toCoreEvent(event: EventsV1Event): Event {
  const {
    note,
    regarding,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...same
  } = event
  return compact({
    ...same,
    apiVersion: 'v1',
    message: note,
    involvedObject: regarding ?? {},
    reportingComponent: reportingController ?? '',
    reportingInstance: same.reportingInstance ?? '',
    source: deprecatedSource ?? {},
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  })
}

/** Reverse of {@link toCoreEvent}. */
export function fromCoreEvent(event: Event): EventsV1Event {
  const { message, involvedObject, reportingComponent, source, firstTimestamp, lastTimestamp, count, ...same } = event
  return compact({
    ...same,
    apiVersion: 'events.k8s.io/v1',
    note: message,
    regarding: involvedObject,
    reportingController: reportingComponent,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  }) as EventsV1Event
}

function compact<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

function validateEvent(event: Event): FieldError[] {
  const wrong: FieldError[] = []
  const about = event.involvedObject?.namespace ?? ''
  const own = event.metadata.namespace ?? ''
  // Events about cluster-scoped objects live in default or kube-system.
  if (about === '' ? own !== 'default' && own !== 'kube-system' : about !== own) {
    wrong.push(fieldErrors.invalid('involvedObject.namespace', about, 'does not match event.namespace'))
  }
  if (!event.eventTime) return wrong
  // With a time of its own it is an event of the newer API, which asks for more.
  if (!event.reportingComponent) wrong.push(fieldErrors.required('reportingController'))
  else
    wrong.push(...invalidEach('reportingController', event.reportingComponent, qualifiedName(event.reportingComponent)))
  if (!event.reportingInstance) wrong.push(fieldErrors.required('reportingInstance'))
  for (const [field, max] of [
    ['action', 128],
    ['reason', 128],
  ] as const) {
    const text = event[field] ?? ''
    if (text === '') wrong.push(fieldErrors.required(field))
    else if (text.length > max) wrong.push(fieldErrors.invalid(field, '', `can have at most ${max} characters`))
  }
  if ((event.message ?? '').length > 1024)
    wrong.push(fieldErrors.invalid('message', '', 'can have at most 1024 characters'))
  if (event.type !== 'Normal' && event.type !== 'Warning') {
    wrong.push(fieldErrors.invalid('type', '', `has invalid value: ${event.type ?? ''}`))
  }
  return wrong
}

function selectable(event: Event): Record<string, string> {
  const about = event.involvedObject ?? {}
  return {
    'involvedObject.kind': about.kind ?? '',
    'involvedObject.namespace': about.namespace ?? '',
    'involvedObject.name': about.name ?? '',
    'involvedObject.uid': about.uid ?? '',
    'involvedObject.apiVersion': about.apiVersion ?? '',
    'involvedObject.resourceVersion': about.resourceVersion ?? '',
    'involvedObject.fieldPath': about.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingComponent: event.reportingComponent || event.source?.component || '',
    source: event.source?.component || event.reportingComponent || '',
    type: event.type ?? '',
  }
}

export const coreEventTraits = traits<Event>({
  group: '',
  resource: 'events',
  shortNames: ['ev'],
  columns: columnsOf<Event>((event) => event),
  selectable,
  convertTo: fromCoreEvent,
  strategy: {
    applyDefaults(event) {
      event.metadata.namespace ||= 'default'
      event.reportingComponent ??= ''
      event.reportingInstance ??= ''
      event.source ??= {}
    },
    validate: validateEvent,
    validateUpdate: (event, old) =>
      event.eventTime ? immutable('involvedObject', event.involvedObject, old.involvedObject) : [],
  },
})

export const eventTraits = traits<EventsV1Event>({
  group: 'events.k8s.io',
  resource: 'events',
  shortNames: ['ev'],
  storedAs: { group: '', resource: 'events' },
  columns: columnsOf(toCoreEvent),
  selectable: (event) => {
    const { source: _source, reportingComponent, ...rest } = selectable(toCoreEvent(event))
    const renamed = Object.entries(rest).map(([field, value]) => [
      field.replace('involvedObject.', 'regarding.'),
      value,
    ])
    return { ...Object.fromEntries(renamed), reportingController: reportingComponent ?? '' }
  },
  convertTo: toCoreEvent,
})
