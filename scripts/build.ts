import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/**
 * Emits plain JavaScript for packaged use: Node.js refuses to strip types below node_modules.
 * `node scripts/build.ts [--out <dir>]`, default dist/. The result is a package: launcher, code, data, package.json.
 */
const { values } = parseArgs({ options: { out: { type: 'string' } } })
const root = fileURLToPath(new URL('..', import.meta.url))
const out = resolve(values.out ?? join(root, 'dist'))

/** Copied as they are. The compiler itself copies the JSON files that are imported. */
const copied = ['cli/stormo', 'LICENSE', 'README.md', 'docker/stormo.service']

interface PackageLock {
  /** By path below the root, '' for the root itself. */
  packages: Record<string, { dev?: boolean; devDependencies?: Record<string, string> }>
}

interface PackageJson {
  dependencies: Record<string, string>
  allowScripts: Record<string, boolean>
  [field: string]: unknown
}

rmSync(out, { recursive: true, force: true })
compile()
for (const path of copied) {
  mkdirSync(dirname(join(out, path)), { recursive: true })
  cpSync(join(root, path), join(out, path))
}
chmodSync(join(out, 'cli/stormo'), 0o755)
writeJson('package.json', packageOf(readJson('package.json')))
writeJson('package-lock.json', lockOf(readJson('package-lock.json')))
console.log(`built ${out}`)

function compile(): void {
  const compiler = join(root, 'node_modules/.bin/tsc')
  const project = join(root, 'scripts/tsconfig.build.json')
  const { status } = spawnSync(compiler, ['--project', project, '--outDir', out], { stdio: 'inherit' })
  if (status !== 0) {
    rmSync(out, { recursive: true, force: true })
    console.error('the build failed: see the errors above; nothing was written')
    process.exit(1)
  }
}

function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(join(root, name), 'utf8')) as T
}

function writeJson(name: string, content: object): void {
  writeFileSync(join(out, name), `${JSON.stringify(content, null, 2)}\n`)
}

/** What a machine that only runs it needs: no scripts, no development packages. */
function packageOf({ scripts: _scripts, devDependencies: _development, ...kept }: PackageJson): PackageJson {
  const isKept = (name: string): boolean => name in kept.dependencies
  const approvals = Object.entries(kept.allowScripts).filter(([name, allowed]) => !allowed || isKept(name))
  return { ...kept, allowScripts: Object.fromEntries(approvals) } as PackageJson
}

/** The same versions, so that `npm ci` beside it installs what was tested. */
function lockOf({ packages, ...kept }: PackageLock): PackageLock {
  const needed = Object.entries(packages)
    .filter(([, one]) => !one.dev)
    .map(([path, { devDependencies: _development, ...one }]) => [path, one] as const)
  return { ...kept, packages: Object.fromEntries(needed) }
}
