import type { Mesh } from '../../mesh/mesh.ts'
import { type Check, checkNode } from './checks.ts'
import { type FactsOptions, gatherFacts } from './facts.ts'

/** What every node says of itself and of its way to the others. */
export interface DoctorReport {
  readonly checks: readonly Check[]
}

const examineProtocol = 'doctor-examine'
const clockProtocol = 'doctor-clock'
const clockTimeoutMs = 2_000
const examineTimeoutMs = 15_000

/**
 * Answers peers that want this node examined, and returns the way to have all nodes examined: each looks at itself and
 * tries the way to every other, so that every pair is tried in both directions.
 */
export function createDoctor(options: Omit<FactsOptions, 'clockOf'> & { mesh: Mesh }): () => Promise<DoctorReport> {
  const { mesh, clock, node } = options
  const facts: FactsOptions = {
    ...options,
    async clockOf(peer) {
      const answer = await mesh.request(peer, clockProtocol, new Uint8Array(), { timeoutMs: clockTimeoutMs })
      return Number(Buffer.from(answer).toString('utf8'))
    },
  }
  const examine = async (): Promise<readonly Check[]> => checkNode(await gatherFacts(facts))
  mesh.onRequest(clockProtocol, () => Promise.resolve(Buffer.from(String(clock.nowMs()))))
  mesh.onRequest(examineProtocol, async () => Buffer.from(JSON.stringify(await examine())))

  async function ask(peer: string, name: string): Promise<readonly Check[]> {
    try {
      const answer = await mesh.request(peer, examineProtocol, new Uint8Array(), { timeoutMs: examineTimeoutMs })
      return JSON.parse(Buffer.from(answer).toString('utf8')) as Check[]
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      const remedy = `see whether the machine and its agent run: 'systemctl status stormo' on ${name}`
      return [{ node: name, what: 'agent', result: 'failed', detail, remedy }]
    }
  }

  return async () => {
    const all = await Promise.all(
      options.members().map((member) => (member.node === node ? examine() : ask(member.peer, member.node))),
    )
    return { checks: all.flat() }
  }
}
