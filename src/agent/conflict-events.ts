import type { EventRecorder } from '../client/events.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import type { Conflict } from '../store/conflict.ts'

/** Longest value that an Event carries, in characters. */
const maxValueLength = 300

/** Tells, on the object, whose acknowledged write does not count, and what it said (architecture §2). */
export function conflictReporter(
  events: EventRecorder,
  catalogue: Catalogue,
  nodeOf: (number: number) => string | undefined,
): (conflict: Conflict) => void {
  return ({ key, uid, field, value, winnerNode, loserNode }) => {
    // An Event about an Event would help nobody.
    if (key.resource === 'events') return
    const definition = catalogue.preferred(key)
    const name = (number: number): string => nodeOf(number) ?? `node ${number}`
    const text = value === null ? 'its removal' : (JSON.stringify(value) ?? 'not known: the disk damaged it')
    const shown =
      key.resource === 'secrets'
        ? '(hidden)'
        : text.length > maxValueLength
          ? `${text.slice(0, maxValueLength)}…`
          : text
    const what =
      field === undefined
        ? `the object of the same name that ${name(loserNode)} created`
        : `${field} as ${name(loserNode)} wrote it`
    events.event(
      {
        apiVersion: definition ? [definition.group, definition.version].filter(Boolean).join('/') : 'v1',
        kind: definition?.kind ?? key.resource,
        namespace: key.namespace,
        name: key.name,
        uid,
      },
      'Warning',
      field === undefined ? 'NameConflict' : 'FieldConflict',
      `${what} does not count: ${name(winnerNode)} wrote it too and counts. Lost: ${shown}`,
    )
  }
}
