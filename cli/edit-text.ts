import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Invocation, UsageError } from './command.ts'
import { runProgram } from './run-program.ts'

/** Opens a text in the user's editor; returns what the editor leaves. */
export async function editText(invocation: Invocation, name: string, text: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'stormo-edit-'))
  const file = join(dir, name)
  try {
    writeFileSync(file, text, { mode: 0o600 })
    await runEditor(invocation, file)
    return readFileSync(file, 'utf8')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function runEditor({ io }: Invocation, file: string): Promise<void> {
  const editor = io.env['KUBE_EDITOR'] || io.env['EDITOR'] || 'vi'
  // The variable may hold options, as git and kubectl take it.
  const code = await runProgram('sh', ['-c', `${editor} "$1"`, 'sh', file], io.env)
  if (code !== 0) throw new UsageError(`there was a problem with the editor "${editor}"`)
}
