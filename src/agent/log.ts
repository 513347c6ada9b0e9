import { type DestinationStream, pino } from 'pino'
import type { Logger } from '../lib/log.ts'

/** JSON lines, to stdout unless told otherwise. */
export function createLogger(level: string, nodeName: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { node: nodeName },
    timestamp: pino.stdTimeFunctions.isoTime,
    // By itself an Error is {} in JSON. Its message comes with those of its causes.
    serializers: {
      error: (error: unknown) => (error instanceof Error ? pino.stdSerializers.err(error).message : error),
    },
  }
  return pino(options, destination ?? pino.destination(1)) as unknown as Logger
}
