import type { PolicyRule } from '../../api/kinds.ts'
import { pathMatches } from './rules.ts'

/** The part of `wanted` that `owned` does not grant, merged again where only verbs differ. Empty: all of it is granted. */
export function missingRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const missing = wanted.flatMap(atoms).filter((atom) => !owned.some((rule) => coversAtom(rule, atom)))
  return mergeVerbs(missing)
}

/** The rule as rules of one verb, one group, one resource, at most one name. */
function atoms(rule: PolicyRule): PolicyRule[] {
  const names: (string | undefined)[] = rule.resourceNames?.length ? rule.resourceNames : [undefined]
  const resources = (rule.apiGroups ?? []).flatMap((group) =>
    (rule.resources ?? []).flatMap((resource) =>
      rule.verbs.flatMap((verb) =>
        names.map((name) => ({
          apiGroups: [group],
          resources: [resource],
          verbs: [verb],
          ...(name === undefined ? {} : { resourceNames: [name] }),
        })),
      ),
    ),
  )
  const paths = (rule.nonResourceURLs ?? []).flatMap((url) =>
    rule.verbs.map((verb) => ({ nonResourceURLs: [url], verbs: [verb] })),
  )
  return [...resources, ...paths]
}

const includesOrAll = (list: readonly string[] | undefined, one: string): boolean =>
  (list?.includes('*') || list?.includes(one)) ?? false

function coversAtom(owner: PolicyRule, atom: PolicyRule): boolean {
  if (!includesOrAll(owner.verbs, atom.verbs[0]!)) return false
  const url = atom.nonResourceURLs?.[0]
  if (url !== undefined) return (owner.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, url))
  const name = atom.resourceNames?.[0]
  return (
    includesOrAll(owner.apiGroups, atom.apiGroups![0]!) &&
    coversResource(owner.resources ?? [], atom.resources![0]!) &&
    // Rights on one named object grant none on all of them.
    (!owner.resourceNames?.length || (name !== undefined && owner.resourceNames.includes(name)))
  )
}

function coversResource(owned: readonly string[], wanted: string): boolean {
  if (includesOrAll(owned, wanted)) return true
  const [, subresource] = wanted.split('/')
  return subresource !== undefined && owned.includes(`*/${subresource}`)
}

function mergeVerbs(rules: readonly PolicyRule[]): PolicyRule[] {
  const merged = new Map<string, PolicyRule>()
  for (const { verbs, ...rest } of rules) {
    const key = JSON.stringify(rest)
    const known = merged.get(key)
    if (known) known.verbs = [...new Set([...known.verbs, ...verbs])]
    else merged.set(key, { ...rest, verbs: [...verbs] })
  }
  return [...merged.values()]
}

/** One rule as the messages about escalation show it: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`. */
export function ruleText(rule: PolicyRule): string {
  const parts: [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ]
  const texts = parts.filter(([, list]) => list?.length).map(([name, list]) => `${name}:${quotedList(list!)}`)
  return `{${texts.join(', ')}}`
}

/** Go's %q of a slice: `["a" "b"]`. */
export function quotedList(list: readonly string[]): string {
  return `[${list.map((one) => JSON.stringify(one)).join(' ')}]`
}
