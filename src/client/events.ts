import type { ObjectReference } from '../api/kinds.ts'

/** Records core/v1 Events about objects, aggregated and rate-limited as client-go's EventRecorder does. Never throws, never blocks. */
export interface EventRecorder {
  event(about: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void
}
