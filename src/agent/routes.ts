import { Readable } from 'node:stream'
import { errors, StatusError } from '../api/status-error.ts'
import { requireAccess } from '../auth/forbidden.ts'
import type { Authorize } from '../api/authorizer.ts'
import type { ExtensionRequest, ExtensionResponse, ExtensionRoute } from '../apiserver/extension-routes.ts'
import type { Member } from '../decision/cluster-state.ts'
import type { DecisionLog } from '../decision/decision-log.ts'
import type { Clock, Random } from '../lib/clock.ts'
import { wireRefusal } from '../mesh/wire-range.ts'
import { type ClusterSecrets, createJoinSecret, joinSecretHash } from '../pki/cluster-secrets.ts'
import { fingerprintOf } from '../pki/fingerprint.ts'
import { encodeJoinToken } from '../pki/join-token.ts'
import { type JoinAnswer, joinPath, type JoinRequest } from './join-request.ts'
import type { ClusterConfig } from './membership-file.ts'
import type { DoctorReport } from './doctor/doctor.ts'
import type { ClusterStatus } from './status.ts'

export interface RouteOptions {
  decisions: DecisionLog
  secrets: ClusterSecrets
  config: ClusterConfig
  authorize: Authorize
  status(): Promise<ClusterStatus>
  /** Has every node examined. */
  examine(): Promise<DoctorReport>
  /** All that this node knows of the cluster, its keys included. */
  backup(): Iterable<Uint8Array>
  /** Imports a docker-save or OCI archive into this node's runtime; returns the images' names. */
  loadImages(archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string[]>
  clock: Clock
  random: Random
}

const maxTokenTtlMs = 30 * 24 * 3600 * 1000

/** The paths below /stormo/v1: what Kubernetes' API has no word for. All but `join` are for those whom RBAC lets (nonResourceURLs). */
export function agentRoutes(options: RouteOptions): ExtensionRoute[] {
  const guarded = (
    path: string,
    handler: (request: ExtensionRequest) => Promise<ExtensionResponse>,
  ): ExtensionRoute => ({
    path,
    handler(request) {
      requireAccess(options.authorize, { user: request.user, verb: request.method.toLowerCase(), path })
      return handler(request)
    },
  })
  return [
    { path: joinPath, public: true, handler: (request) => join(options, request) },
    guarded('/stormo/v1/status', async () => ({ code: 200, body: await options.status() })),
    guarded('/stormo/v1/doctor', async () => ({ code: 200, body: await options.examine() })),
    guarded('/stormo/v1/tokens', (request) => tokens(options, request)),
    guarded('/stormo/v1/members', (request) => members(options, request)),
    guarded('/stormo/v1/backup', async (request) => {
      if (request.method !== 'GET') throw errors.methodNotAllowed('a backup is read by GET')
      return { code: 200, body: Readable.from(options.backup()), contentType: 'application/octet-stream' }
    }),
    guarded('/stormo/v1/images', async (request) => {
      if (request.method !== 'POST') throw errors.methodNotAllowed('images are sent by POST')
      return { code: 201, body: { images: await options.loadImages(request.stream, request.signal) } }
    }),
  ]
}

async function parse<T>(request: ExtensionRequest): Promise<T> {
  try {
    return JSON.parse((await request.body()).toString('utf8')) as T
  } catch (error) {
    if (error instanceof StatusError) throw error
    throw errors.badRequest(`the body is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Takes a machine in: the token is checked and used up where it is decided, in the log. */
async function join(options: RouteOptions, request: ExtensionRequest): Promise<ExtensionResponse> {
  if (request.method !== 'POST') throw errors.methodNotAllowed('joining is asked for by POST')
  const { tokenId, secret, member } = await parse<JoinRequest>(request)
  if (
    typeof tokenId !== 'string' ||
    typeof secret !== 'string' ||
    typeof member?.node !== 'string' ||
    typeof member.peer !== 'string' ||
    !Array.isArray(member.addresses)
  ) {
    throw errors.badRequest('a join request carries tokenId, secret and member {node, peer, addresses, apiUrl, zone}')
  }
  // Before the token is spent: the machine may come back with another release.
  for (const other of options.decisions.members()) {
    const refusal = wireRefusal(member, other)
    if (refusal) throw new StatusError('Forbidden', refusal)
  }
  const token = { id: tokenId, secretHash: joinSecretHash(secret), nowMs: options.clock.nowMs() }
  await options.decisions.command({ type: 'member-add', member, token }, { signal: request.signal, timeoutMs: 15_000 })
  const all = options.decisions.members()
  const self = all.find((one) => one.node === member.node)
  if (!self) throw errors.internal(`member ${member.node} was added and is not there`)
  const answer: JoinAnswer = { secrets: options.secrets, self, members: [...all], config: options.config }
  return { code: 200, body: answer }
}

/** GET lists, POST {ttlMs, uses} makes one, DELETE ?id= revokes. */
async function tokens(options: RouteOptions, request: ExtensionRequest): Promise<ExtensionResponse> {
  const { decisions, secrets, clock, random } = options
  switch (request.method) {
    case 'GET':
      return {
        code: 200,
        body: { tokens: decisions.tokens().map(({ id, expiresMs, usesLeft }) => ({ id, expiresMs, usesLeft })) },
      }
    case 'POST': {
      const { ttlMs = 24 * 3600 * 1000, uses = 1 } = await parse<{ ttlMs?: number; uses?: number }>(request)
      if (!Number.isInteger(ttlMs) || ttlMs < 1000 || ttlMs > maxTokenTtlMs)
        throw errors.badRequest('ttlMs: must be from one second to 30 days')
      if (!Number.isInteger(uses) || uses < 0 || uses > 10_000)
        throw errors.badRequest('uses: must be from 0 (any number) to 10000')
      const { id, secret, secretHash } = createJoinSecret(random)
      await decisions.command(
        {
          type: 'token-create',
          token: { id, secretHash, expiresMs: clock.nowMs() + ttlMs, usesLeft: uses === 0 ? null : uses },
        },
        { signal: request.signal },
      )
      const text = encodeJoinToken({
        version: 1,
        id,
        secret,
        bootstrap: decisions.members().map(bootstrapAddress),
        caFingerprint: fingerprintOf(secrets.ca.certPem),
        cluster: secrets.clusterName,
      })
      return { code: 201, body: { id, token: text } }
    }
    case 'DELETE': {
      const id = request.url.searchParams.get('id') ?? ''
      await decisions.command({ type: 'token-delete', id }, { signal: request.signal })
      return { code: 200, body: { id } }
    }
    default:
      throw errors.methodNotAllowed('tokens are listed by GET, made by POST and revoked by DELETE')
  }
}

function bootstrapAddress(member: Member): string {
  const { hostname, port } = new URL(member.apiUrl)
  return `/ip4/${hostname}/tcp/${port || 443}`
}

/** GET lists, DELETE ?node= lets a machine go. */
async function members(options: RouteOptions, request: ExtensionRequest): Promise<ExtensionResponse> {
  const { decisions } = options
  if (request.method === 'GET') return { code: 200, body: { members: decisions.members() } }
  if (request.method !== 'DELETE') throw errors.methodNotAllowed('members are listed by GET and removed by DELETE')
  const node = request.url.searchParams.get('node') ?? ''
  if (!decisions.members().some((member) => member.node === node))
    throw errors.notFound({ group: '', resource: 'members' }, node)
  if (decisions.status().leader === node) await decisions.transferLeadership().catch(() => undefined)
  await decisions.command({ type: 'member-remove', node }, { signal: request.signal })
  return { code: 200, body: { node } }
}
