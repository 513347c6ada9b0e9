import { exec } from '../src/lib/exec.ts'

/**
 * Tells systemd that the agent serves (sd_notify(3)), where systemd waits to hear it. By its own program: Node.js has no
 * datagram sockets of the local kind. One that is missing is only a service that looks as if it were starting.
 */
export async function notifyReady(env: NodeJS.ProcessEnv): Promise<void> {
  if (env['NOTIFY_SOCKET']) await exec('systemd-notify', ['--ready'], { env }).catch(() => undefined)
}
