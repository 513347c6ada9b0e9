import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const repository = new URL('../..', import.meta.url).pathname
const node = join(repository, 'node_modules/node/bin/node')

/** Below node_modules Node.js strips no types: whatever is not plain JavaScript there does not start. */
describe('the built package', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'stormo-build-'))
  const built = join(scratch, 'node_modules/stormo')
  const stormo = (...args: string[]) =>
    run(join(built, 'cli/stormo'), args, { env: { ...process.env, NODE_COMPILE_CACHE: join(scratch, 'cache') } })

  beforeAll(async () => {
    mkdirSync(built, { recursive: true })
    await run(node, [join(repository, 'scripts/build.ts'), '--out', built])
    symlinkSync(join(repository, 'node_modules'), join(built, 'node_modules'))
  }, 60_000)
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  test('names the packages that it needs to run, and no others', () => {
    const written = JSON.parse(readFileSync(join(built, 'package.json'), 'utf8')) as Record<string, unknown>
    const own = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Record<string, unknown>
    expect(written['dependencies']).toEqual(own['dependencies'])
    expect(written['bin']).toEqual({ stormo: 'cli/stormo' })
    expect(written).not.toHaveProperty('devDependencies')
    expect(written).not.toHaveProperty('scripts')
  })

  test('starts: the command line, a new cluster, the agent', async () => {
    expect((await stormo('--help')).stdout).toMatch(/^Usage: stormo /)
    const dirs = ['--data-dir', join(scratch, 'data'), '--config-dir', join(scratch, 'config')]
    await stormo('init', '--node-name', 'built', '--advertise-address', '127.0.0.1', ...dirs)
    expect(readFileSync(join(scratch, 'config/kubeconfig'), 'utf8')).toContain('server: https://127.0.0.1:6443')
    // An agent that ran would change this machine's network: this one finds that it is no member, and ends.
    await expect(stormo('agent', '--data-dir', join(scratch, 'none'))).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no member of a cluster'),
    })
  })
})
