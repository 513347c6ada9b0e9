import { cpus, release, totalmem } from 'node:os'
import { exec } from '../../src/lib/exec.ts'

/** What the figures depend on, for the header. */
export async function machineFacts(): Promise<string> {
  const processors = cpus()
  const docker = await exec('dockerd', ['--version']).catch(() => undefined)
  const version = docker?.stdout.match(/version ([^,\s]+)/)?.[1]
  return [
    `${processors[0]?.model.trim() ?? 'unknown CPU'}, ${processors.length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`,
    `Linux ${release()}, Node.js ${process.version}, ${version ? `Docker ${version}` : 'no Docker'}`,
  ].join('\n')
}
