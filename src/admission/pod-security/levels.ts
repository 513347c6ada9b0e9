import type { ObjectMeta, PodSpec } from '../../api/kinds.ts'
import { baselineChecks } from './baseline-checks.ts'
import type { PodCheck, Violation } from './check.ts'
import { restrictedChecks } from './restricted-checks.ts'

export const levels = ['privileged', 'baseline', 'restricted'] as const
export type Level = (typeof levels)[number]

/** A level with the version of the standards that its label names; this program has the newest rules only. */
export interface LevelVersion {
  level: Level
  version: string
}

/** What a namespace's labels ask for. */
export interface NamespacePolicy {
  enforce: LevelVersion
  audit: LevelVersion
  warn: LevelVersion
}

const overridden = new Set(restrictedChecks.flatMap((one) => one.overrides ?? []))
const checksOf: Record<Level, readonly PodCheck[]> = {
  privileged: [],
  baseline: baselineChecks,
  restricted: [...baselineChecks.filter((one) => !overridden.has(one.id)), ...restrictedChecks],
}

/** Reads `pod-security.kubernetes.io/<mode>` and `…-version`. A level that is none counts as restricted. */
export function policyOf(labels: Readonly<Record<string, string>> | undefined): NamespacePolicy {
  const mode = (name: string): LevelVersion => {
    const text = labels?.[`pod-security.kubernetes.io/${name}`]
    const level = text === undefined ? 'privileged' : (levels.find((one) => one === text) ?? 'restricted')
    return { level, version: labels?.[`pod-security.kubernetes.io/${name}-version`] ?? 'latest' }
  }
  return { enforce: mode('enforce'), audit: mode('audit'), warn: mode('warn') }
}

/** Everything that the pod does beyond the level. */
export function violations(level: Level, spec: PodSpec, metadata: ObjectMeta): Violation[] {
  return checksOf[level].flatMap((one) => one.check(spec, metadata) ?? [])
}

/** `violates PodSecurity "restricted:latest": reason (detail), …` */
export function violationText(
  { level, version }: LevelVersion,
  found: readonly Violation[],
  verb = 'violates',
): string {
  const texts = found.map(({ reason, detail }) => `${reason} (${detail})`)
  return `${verb} PodSecurity ${JSON.stringify(`${level}:${version}`)}: ${texts.join(', ')}`
}
