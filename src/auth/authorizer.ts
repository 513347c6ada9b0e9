import type { AccessDecision, Authorize } from '../api/authorizer.ts'
import type { Pod } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { createNodeAuthorizer } from './node/node-authorizer.ts'
import { createPodsByNode } from './node/pods-by-node.ts'
import { createEscalationCheck } from './rbac/escalation.ts'
import { createRbacAuthorizer } from './rbac/rbac-authorizer.ts'
import { createRuleResolver, type RuleResolver } from './rbac/rule-resolver.ts'
import { isMaster } from './user.ts'

/** Authorization of one node's API server: everything is answered from its own replica. */
export interface Authorization {
  /** system:masters, then the node authorizer, then RBAC. The first opinion counts. */
  authorize: Authorize
  resolver: RuleResolver
  /** To run among the validating admission plugins. */
  escalationCheck: ReturnType<typeof createEscalationCheck>
  /** Stops listening to the informers. */
  stop(): void
}

export function createAuthorization(informers: Informers): Authorization {
  const resolver = createRuleResolver(informers)
  const podsByNode = createPodsByNode(informers.for<Pod>(refs.pods))
  const authorize = firstOpinion([
    (request) => ({ verdict: isMaster(request.user) ? 'allow' : 'no-opinion', reason: '' }),
    createNodeAuthorizer(informers, podsByNode),
    createRbacAuthorizer(resolver),
  ])
  return {
    authorize,
    resolver,
    escalationCheck: createEscalationCheck(resolver, authorize),
    stop() {
      resolver.stop()
      podsByNode.stop()
    },
  }
}

/** Asks in turn; without any opinion the reasons of all are joined. */
export function firstOpinion(authorizers: readonly Authorize[]): Authorize {
  return (request) => {
    const reasons: string[] = []
    const evaluationErrors: string[] = []
    for (const authorize of authorizers) {
      const decision = authorize(request)
      if (decision.verdict !== 'no-opinion') return decision
      if (decision.reason) reasons.push(decision.reason)
      if (decision.evaluationError) evaluationErrors.push(decision.evaluationError)
    }
    const decision: AccessDecision = { verdict: 'no-opinion', reason: reasons.join('\n') }
    return evaluationErrors.length ? { ...decision, evaluationError: evaluationErrors.join(', ') } : decision
  }
}
