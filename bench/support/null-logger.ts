import type { Logger } from '../../src/lib/log.ts'

/** For what is measured without its words. */
export const nullLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => nullLogger,
}
