import { readFileSync } from 'node:fs'

/** A process that is not this one's child: pids are given anew, start times are not. */
export interface ProcessIdentity {
  pid: number
  /** Since boot, in clock ticks. */
  startTicks: string
}

/**
 * Who has the pid now; undefined when nobody does, or only one that has ended and was not waited for. Unlike its command
 * line, this stays readable and the same while the process replaces itself by execve. See proc_pid_stat(5).
 */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name before it is in parentheses and may hold anything.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : { pid, startTicks: fields[18]! }
  } catch {
    return undefined
  }
}

/** Whether the process that was identified still runs. */
export const isRunning = ({ pid, startTicks }: ProcessIdentity): boolean =>
  identifyProcess(pid)?.startTicks === startTicks
