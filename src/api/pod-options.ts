/** Query of GET …/pods/{name}/log (core/v1 PodLogOptions). */
export interface PodLogOptions {
  container: string
  follow?: boolean
  previous?: boolean
  sinceSeconds?: number
  sinceTime?: string
  timestamps?: boolean
  tailLines?: number
  limitBytes?: number
  /** 'All' | 'Stdout' | 'Stderr' */
  stream?: string
}
