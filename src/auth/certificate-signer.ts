import type { CertificateSigningRequest } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { isStatus } from '../api/status-error.ts'
import type { Client } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { leafLifetimeMs, type CertificateAuthority } from '../pki/certificate-authority.ts'
import { signRequest, signerNames } from '../pki/signing-request.ts'

const ref = { group: 'certificates.k8s.io', resource: 'certificatesigningrequests' }
const knownSigners: readonly string[] = Object.values(signerNames)

type Request = CertificateSigningRequest & KubeObject

export interface CertificateSignerOptions {
  client: Client
  informers: Informers
  authority: CertificateAuthority
  clock: Clock
  logger: Logger
}

/**
 * Signs approved requests of the signers that the cluster has, until the signal is aborted (upstream's csrsigning
 * controller). Run it where one writer is wanted: two would sign twice, and the second certificate be refused.
 */
export async function signApprovedRequests(options: CertificateSignerOptions, signal: AbortSignal): Promise<void> {
  const { informers, logger } = options
  const informer = informers.for<Request>(ref)
  const waiting = new Set(informer.list().map(({ metadata }) => metadata.name ?? ''))
  let wake: (() => void) | undefined
  const stop = informer.onChange(({ object, name }) => {
    if (!object || !isSignable(object)) return
    waiting.add(name)
    wake?.()
  })
  const ended = () => wake?.()
  signal.addEventListener('abort', ended, { once: true })
  try {
    while (!signal.aborted) {
      for (const name of waiting) {
        waiting.delete(name)
        const request = informer.get('', name)
        if (!request || !isSignable(request)) continue
        await signOne(options, request, signal).catch((error: unknown) => {
          logger.warn({ request: name, error: String(error) }, 'certificate was not signed')
        })
      }
      if (waiting.size > 0) continue
      await new Promise<void>((resolve) => {
        wake = resolve
        if (signal.aborted) resolve()
      })
    }
  } finally {
    signal.removeEventListener('abort', ended)
    stop()
  }
}

/** Approved, neither denied nor failed, unsigned, and for one of our signers. */
function isSignable({ spec, status }: Request): boolean {
  const has = (type: string) => status?.conditions?.some((one) => one.type === type && one.status === 'True') === true
  return (
    knownSigners.includes(spec?.signerName ?? '') &&
    has('Approved') &&
    !has('Denied') &&
    !has('Failed') &&
    !status?.certificate
  )
}

async function signOne(options: CertificateSignerOptions, request: Request, signal: AbortSignal): Promise<void> {
  const { client, authority, clock } = options
  const { signerName = '', request: base64 = '', usages = [], expirationSeconds } = request.spec ?? {}
  const lifetimeMs = Math.min(leafLifetimeMs, (expirationSeconds ?? Number.POSITIVE_INFINITY) * 1000)
  const requestPem = Buffer.from(base64, 'base64').toString()
  let outcome: Partial<NonNullable<Request['status']>>
  try {
    const pem = await signRequest(authority, { signerName, requestPem, usages, lifetimeMs }, clock.nowMs())
    outcome = { certificate: Buffer.from(pem).toString('base64') }
  } catch (error) {
    const now = new Date(clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z')
    const failed = {
      type: 'Failed',
      status: 'True',
      reason: 'SignerValidationFailure',
      message: (error as Error).message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    }
    outcome = { conditions: [...(request.status?.conditions ?? []), failed] }
  }
  try {
    await client.mutate<Request>(
      ref,
      '',
      request.metadata.name ?? '',
      (current) => (isSignable(current) ? { ...current, status: { ...current.status, ...outcome } } : undefined),
      { subresource: 'status', signal },
    )
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error
  }
}
