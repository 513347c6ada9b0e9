import type { Pod } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'

/** The container that a log, exec or attach is about (core/pod LogLocation and streamLocation). Throws BadRequest. */
export function chooseContainer(pod: Pod, wanted: string): string {
  const names = (list: readonly { name: string }[] | undefined) => (list ?? []).map(({ name }) => name)
  const containers = names(pod.spec?.containers)
  const init = names(pod.spec?.initContainers)
  const ephemeral = names(pod.spec?.ephemeralContainers)
  const podName = pod.metadata.name ?? ''
  if (wanted !== '') {
    if ([...containers, ...init, ...ephemeral].includes(wanted)) return wanted
    throw errors.badRequest(`container ${wanted} is not valid for pod ${podName}`)
  }
  const [only] = containers
  if (only !== undefined && containers.length === 1) return only
  const choices = [
    `choose one of: [${containers.join(' ')}]`,
    ...(init.length > 0 ? [`or one of the init containers: [${init.join(' ')}]`] : []),
    ...(ephemeral.length > 0 ? [`or one of the ephemeral containers: [${ephemeral.join(' ')}]`] : []),
  ]
  throw errors.badRequest(`a container name must be specified for pod ${podName}, ${choices.join(' ')}`)
}
