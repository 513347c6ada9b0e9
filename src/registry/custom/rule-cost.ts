import { estimateCost } from '../../admission/cel/cost.ts'
import { maxElements, mostInRequest } from '../../admission/cel/sizes.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import type { Schema } from '../../schema/schema.ts'

/** apiextensions' StaticEstimatedCostLimit: of one rule, all the times that it runs. */
const maxRuleCost = 10_000_000
/** And StaticEstimatedCRDCostLimit: of all the rules of one schema together. */
const maxSchemaCost = 100_000_000
const remedy =
  '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)'

/** How often the rules of a node may run in one request, and whether a list or map around it says no bound. */
export interface Cardinality {
  readonly times: number
  readonly isBounded: boolean
}

export const once: Cardinality = { times: 1, isBounded: true }

/** The cardinality of what `parent` holds, a list's items or a map's values. */
export function within({ times, isBounded }: Cardinality, parent: Schema): Cardinality {
  const bound = parent.items ? parent.rules?.maxItems : parent.rules?.maxProperties
  return { times: times * maxElements(parent), isBounded: isBounded && bound !== undefined }
}

/** Adds up what the rules of a schema may cost, and refuses those that may cost too much. */
export function createRuleBudget() {
  let total = 0
  const dear: { path: string; cost: number }[] = []
  return {
    /** Where one rule alone is over the limit, with how much. */
    spend(rule: string, path: string, schema: Schema, { times, isBounded }: Cardinality): FieldError[] {
      const runs = isBounded ? times : Math.min(times, mostInRequest(schema))
      const cost = estimateCost(rule, { self: schema, oldSelf: schema }) * runs
      total += cost
      if (cost > maxSchemaCost / 100) dear.push({ path, cost })
      if (cost <= maxRuleCost) return []
      return [
        fieldErrors.forbidden(
          path,
          `estimated rule cost exceeds budget by factor of ${factor(cost / maxRuleCost)} ${remedy}`,
        ),
      ]
    },
    /** Where all of them together are over the limit: each that is a large part of it, then the schema. */
    settle(path: string): FieldError[] {
      if (total <= maxSchemaCost) return []
      const parts = dear.map((one) =>
        fieldErrors.forbidden(
          one.path,
          'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
        ),
      )
      const whole = `x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of ${factor(total / maxSchemaCost)} ${remedy}`
      return [...parts, fieldErrors.forbidden(path, whole)]
    },
  }
}

export type RuleBudget = ReturnType<typeof createRuleBudget>

/** A round number where the exact one says nothing. */
const factor = (times: number): string => (times > 100 ? 'more than 100x' : `${times.toFixed(1)}x`)
