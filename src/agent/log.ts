import { pino } from 'pino'
import type { Logger } from '../lib/log.ts'

/** JSON lines on stdout, or short ones for a reader at a terminal. */
export function createLogger(level: string, nodeName: string): Logger {
  return pino({ level, base: { node: nodeName }, timestamp: pino.stdTimeFunctions.isoTime }) as unknown as Logger
}
