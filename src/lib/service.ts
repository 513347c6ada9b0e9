/**
 * Something that runs. One owner starts it and stops it. `stop` is idempotent, waits until nothing of the
 * service is left running, and never rejects because the service had already failed.
 */
export interface Service {
  start(): Promise<void>
  stop(): Promise<void>
}
