import type { Authorize } from '../api/authorizer.ts'
import type { MatchCondition } from '../api/kinds.ts'
import { admissionRequest } from './admission-request.ts'
import { CelBudgetError, compileCel, conditionsBudget, type CelExpression } from './cel/expression.ts'
import { CelAuthorizer, CelResourceCheck } from './cel/library/authorizer.ts'
import { toCel } from './cel/values.ts'
import type { AdmissionAttributes, AdmissionResource } from './plugin.ts'

export const conditionVariables = ['object', 'oldObject', 'request', 'authorizer'] as const

/** Compiled expressions by source: configurations are read with every request. */
const compiled = new Map<string, CelExpression>()
const maxCompiled = 1000

/** As {@link compileCel}, remembered. */
export function compileRemembered(source: string, variables: readonly string[]): CelExpression {
  const key = `${variables.join(',')}\n${source}`
  const known = compiled.get(key)
  if (known) return known
  if (compiled.size >= maxCompiled) compiled.clear()
  const made = compileCel(source, variables)
  compiled.set(key, made)
  return made
}

/** What expressions of admission see of a request. */
export function admissionVariables(
  attributes: AdmissionAttributes,
  matched: AdmissionResource,
  authorize: Authorize,
): Record<string, unknown> {
  const authorizer = new CelAuthorizer(authorize, attributes.user)
  const { ref, subresource, namespace, name } = attributes
  authorizer.requestResource = new CelResourceCheck(authorizer, { ...ref, subresource, namespace, name })
  return {
    object: toCel(attributes.object ?? null),
    oldObject: toCel(attributes.oldObject ?? null),
    request: toCel(admissionRequest(attributes, matched)),
    authorizer,
  }
}

/** Whether all conditions hold. One that is false decides, whatever others fail; otherwise a failure is thrown. */
export function conditionsHold(
  conditions: readonly MatchCondition[] | undefined,
  variables: Readonly<Record<string, unknown>>,
): boolean {
  const failures: Error[] = []
  const budget = { remaining: conditionsBudget }
  for (const { expression } of conditions ?? []) {
    try {
      if (compileRemembered(expression, Object.keys(variables)).evaluate(variables, budget) !== true) return false
    } catch (error) {
      if (error instanceof CelBudgetError) throw error
      failures.push(error as Error)
    }
  }
  if (failures[0]) throw failures[0]
  return true
}
