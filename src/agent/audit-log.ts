import { readFile } from 'node:fs/promises'
import { createAudit, type Audit } from '../apiserver/audit/audit.ts'
import { auditLogFile } from '../apiserver/audit/log-file.ts'
import { parseAuditPolicy } from '../apiserver/audit/policy.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Service } from '../lib/service.ts'
import { paths, SettingError, type Settings } from './settings.ts'

const megabyte = 1024 * 1024

/** The audit log that the settings ask for; undefined without a policy. Throws SettingError for a policy that is none. */
export async function openAuditLog(
  settings: Settings,
  clock: Clock,
  log: Logger,
): Promise<{ audit: Audit; service: Service; metrics(): string } | undefined> {
  const { auditPolicyFile: file } = settings
  if (file === '') return undefined
  let policy
  try {
    policy = parseAuditPolicy(await readFile(file, 'utf8'))
  } catch (error) {
    throw new SettingError(`--audit-policy-file ${file}: ${(error as Error).message}`, { cause: error })
  }
  const sink = auditLogFile({
    path: settings.auditLogPath || paths(settings.dataDir).auditLog,
    limits: {
      maxBytes: settings.auditLogMaxSizeMb * megabyte,
      maxBackups: settings.auditLogMaxBackups,
      maxAgeDays: settings.auditLogMaxAgeDays,
    },
    clock,
    log,
  })
  const metrics = () =>
    `# HELP apiserver_audit_error_total Audit events that could not be written.\n# TYPE apiserver_audit_error_total counter\napiserver_audit_error_total{plugin="log"} ${sink.dropped()}\n`
  return { audit: createAudit({ policy, sink, clock }), service: sink, metrics }
}
