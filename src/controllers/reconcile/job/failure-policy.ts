import type { ContainerStatus, Pod, PodFailurePolicy, PodFailurePolicyRule } from '../../../api/kinds.ts'

export interface FailureVerdict {
  action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count'
  /** Why the job fails, for FailJob. */
  message?: string
}

const counted: FailureVerdict = { action: 'Count' }

/** What the policy says about a failed pod: the first rule that matches decides (KEP-3329). */
export function judgeFailure(policy: PodFailurePolicy | undefined, pod: Pod): FailureVerdict {
  for (const [index, rule] of (policy?.rules ?? []).entries()) {
    const why = matchedBy(rule, pod)
    if (why === undefined) continue
    return {
      action: rule.action as FailureVerdict['action'],
      message: `${why} matching ${rule.action} rule at index ${index}`,
    }
  }
  return counted
}

function matchedBy(rule: PodFailurePolicyRule, pod: Pod): string | undefined {
  const { namespace, name } = pod.metadata
  if (rule.onExitCodes) {
    const { containerName, operator, values } = rule.onExitCodes
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
    const found = statuses.find(
      (status) => (!containerName || status.name === containerName) && exitMatches(status, operator, values),
    )
    return (
      found &&
      `Container ${found.name} for pod ${namespace}/${name} failed with exit code ${found.state?.terminated?.exitCode}`
    )
  }
  for (const pattern of rule.onPodConditions ?? []) {
    const found = pod.status?.conditions?.find(
      (condition) => condition.type === pattern.type && condition.status === (pattern.status ?? 'True'),
    )
    if (found) return `Pod ${namespace}/${name} has condition ${found.type}`
  }
  return undefined
}

function exitMatches(status: ContainerStatus, operator: string, values: readonly number[]): boolean {
  const code = status.state?.terminated?.exitCode
  // A container that ended well is no failure, whatever the operator.
  if (code === undefined || code === 0) return false
  return operator === 'In' ? values.includes(code) : operator === 'NotIn' && !values.includes(code)
}
