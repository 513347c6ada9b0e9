import type { ResourceQuota } from '../../api/kinds.ts'
import { groupResourceName, type GroupResource } from '../../api/object.ts'
import { isStatus } from '../../api/status-error.ts'
import { refs, type Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { countedResource, quotaStatus, sameAmounts } from './quota-status.ts'

/** A burst of pods is counted once, and still within what a user would call at once. */
const settleMs = 100

/**
 * Keeps the status of ResourceQuotas in step with what is there, until the signal is aborted (upstream's resourcequota
 * controller). Admission does not read it: it is for people and for `kubectl describe`.
 */
export async function keepQuotaStatus(
  { client, informers, clock, logger }: { client: Client; informers: Informers; clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const quotas = informers.for<ResourceQuota>(refs.resourceQuotas)
  const followed = new Map<string, () => void>()
  const dirty = new Set<string>()
  let wake: (() => void) | undefined

  const touch = (namespace: string) => {
    dirty.add(namespace)
    wake?.()
  }
  /** Only kinds that some quota counts are listened to. */
  const follow = (ref: GroupResource) => {
    const name = groupResourceName(ref)
    if (followed.has(name)) return
    followed.set(
      name,
      informers.for(ref).onChange(({ namespace }) => touch(namespace)),
    )
  }
  const countIn = async (namespace: string) => {
    for (const quota of quotas.list(namespace)) {
      for (const name of Object.keys(quota.spec?.hard ?? {})) follow(countedResource(name))
      const status = quotaStatus(quota, (ref) => informers.for(ref).list(namespace))
      if (sameAmounts(quota.status?.hard, status.hard) && sameAmounts(quota.status?.used, status.used)) continue
      await client
        .mutate<ResourceQuota>(
          refs.resourceQuotas,
          namespace,
          quota.metadata.name ?? '',
          (current) => ({ ...current, status }),
          { subresource: 'status', signal },
        )
        .catch((error: unknown) => {
          if (!isStatus(error, 'NotFound')) logger.warn({ namespace, error: String(error) }, 'quota was not counted')
        })
    }
  }

  follow(refs.resourceQuotas)
  for (const { metadata } of quotas.list()) dirty.add(metadata.namespace ?? '')
  const ended = () => wake?.()
  signal.addEventListener('abort', ended, { once: true })
  try {
    while (!signal.aborted) {
      const namespaces = [...dirty]
      dirty.clear()
      for (const namespace of namespaces) await countIn(namespace)
      await new Promise<void>((resolve) => {
        wake = resolve
        if (signal.aborted || dirty.size > 0) resolve()
      })
      if (!signal.aborted) await new Promise<void>((resolve) => clock.after(settleMs, resolve))
    }
  } finally {
    signal.removeEventListener('abort', ended)
    for (const stop of followed.values()) stop()
  }
}
