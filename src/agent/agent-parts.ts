import type { Clock, Random } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Identity } from '../pki/identity-files.ts'
import type { Membership } from './membership-file.ts'
import type { Settings } from './settings.ts'

/** What every part of one machine's agent is built from. */
export interface AgentParts {
  settings: Settings
  identity: Identity
  membership: Membership
  clock: Clock
  random: Random
  logger: Logger
}
