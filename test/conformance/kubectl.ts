import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

/** One kubectl binary. */
export interface KubectlBinary {
  path: string
  /** `1.33` */
  version: string
}

export interface KubectlResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs a command line (split at spaces; pass an array for arguments that hold some). */
export type Kubectl = (args: string | readonly string[], input?: string) => Promise<KubectlResult>

const oldestMinor = 29
const newestMinor = 40
const timeoutMs = 60_000

/** Every kubectl 1.29 and later that is installed: beside the one on the PATH, named kubectl.1.NN, or that one alone. */
export async function installedKubectls(): Promise<KubectlBinary[]> {
  const found: KubectlBinary[] = []
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const plain = join(directory, 'kubectl')
    if (!existsSync(plain)) continue
    const beside = dirname(realpathSync(plain))
    for (let minor = oldestMinor; minor <= newestMinor; minor++) {
      const path = join(beside, `kubectl.1.${minor}`)
      if (existsSync(path)) found.push({ path, version: `1.${minor}` })
    }
    if (found.length === 0) {
      const { stdout } = await run(plain, ['version', '--client', '-o', 'json'], {})
      const { major, minor } = (JSON.parse(stdout) as { clientVersion: { major: string; minor: string } }).clientVersion
      found.push({ path: plain, version: `${major}.${minor}` })
    }
    return found
  }
  return found
}

/** A kubectl bound to a cluster, with a cache of its own so that versions do not read each other's discovery. */
export function kubectlFor(binary: KubectlBinary, kubeconfig: string, cacheDirectory: string): Kubectl {
  return (args, input) =>
    run(
      binary.path,
      [`--cache-dir=${cacheDirectory}`, ...(typeof args === 'string' ? args.split(' ') : args)],
      { KUBECONFIG: kubeconfig },
      input,
    )
}

function run(
  path: string,
  args: readonly string[],
  env: Record<string, string>,
  input?: string,
): Promise<KubectlResult> {
  return new Promise((resolve) => {
    const child = execFile(
      path,
      args,
      { env: { ...process.env, ...env }, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr })
      },
    )
    child.stdin?.end(input ?? '')
  })
}
