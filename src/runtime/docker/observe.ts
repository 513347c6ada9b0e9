import type { ContainerInspectInfo, ImageInspectInfo } from 'dockerode'
import { labelKeys, parseContainerName, sandboxContainerName } from '../container-names.ts'
import type { ContainerState, RuntimeContainer, RuntimeImage } from '../runtime.ts'

/** Docker's answer in the runtime's words; undefined when the container is none of ours, or waits in the pool. */
export function observeContainer(info: ContainerInspectInfo): RuntimeContainer | undefined {
  const labels = info.Config.Labels ?? {}
  const parsed = parseContainerName(info.Name)
  if (labels[labelKeys.managed] !== 'true' || parsed === undefined) return undefined
  const state = containerState(info.State)
  const createdAtMs = timeMs(info.Created)
  const finishedAtMs = timeMs(info.State.FinishedAt)
  const role = parsed.container === sandboxContainerName ? 'sandbox' : 'container'
  return {
    id: info.Id,
    role,
    pod: parsed.pod,
    sandboxId: labels[labelKeys.sandboxId] ?? '',
    name: role === 'sandbox' ? '' : parsed.container,
    attempt: parsed.attempt,
    state,
    pid: info.State.Running ? info.State.Pid : 0,
    createdAtMs,
    startedAtMs: timeMs(info.State.StartedAt),
    // One that could not be started ended when it was made.
    finishedAtMs: state === 'exited' && finishedAtMs === 0 ? createdAtMs : finishedAtMs,
    exitCode: info.State.ExitCode,
    oomKilled: info.State.OOMKilled,
    error: info.State.Error,
    imageRef: labels[labelKeys.image] ?? info.Config.Image,
    imageId: info.Image,
    labels,
    pooled: role === 'sandbox' && labels[labelKeys.podUid] === undefined,
    user: info.Config.User ?? '',
  }
}

function containerState(state: ContainerInspectInfo['State']): ContainerState {
  if (state.Running || state.Status === 'removing') return state.Running ? 'running' : 'exited'
  // A container that could not be started stays in `created` with the error and an exit code.
  return state.Status === 'created' && state.ExitCode === 0 ? 'created' : 'exited'
}

/** Docker says year 1 for "never". */
function timeMs(text: string): number {
  const parsed = Date.parse(text)
  return Number.isNaN(parsed) || parsed < 0 ? 0 : parsed
}

export function observeImage(info: ImageInspectInfo): RuntimeImage {
  const entrypoint = info.Config?.Entrypoint
  return {
    id: info.Id,
    tags: (info.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
    digests: (info.RepoDigests ?? []).filter((digest) => !digest.startsWith('<none>')),
    sizeBytes: info.Size,
    user: info.Config?.User ?? '',
    env: info.Config?.Env ?? [],
    entrypoint: typeof entrypoint === 'string' ? [entrypoint] : (entrypoint ?? []),
    command: info.Config?.Cmd ?? [],
  }
}
