import { execOk } from '../../lib/exec.ts'

/** Sets the host name in the UTS namespace of a process. */
export async function setHostname(pid: number, hostname: string): Promise<void> {
  const script = 'printf %s "$1" > /proc/sys/kernel/hostname'
  await execOk('nsenter', [`--uts=/proc/${pid}/ns/uts`, 'sh', '-c', script, 'sh', hostname], { timeoutMs: 5_000 })
}
