import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf, isTest, root, sourceFiles } from './source-files.ts'

const table = JSON.parse(readFileSync(join(root, 'src/layers.json'), 'utf8')) as { layers: string[][]; pure: string[] }
const layerOf = new Map(table.layers.flatMap((folders, layer) => folders.map((folder) => [folder, layer] as const)))
const folderOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1]
const files = sourceFiles('src')

describe('layers', () => {
  it('name every folder of src', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
    expect(folders.map((entry) => entry.name).filter((folder) => !layerOf.has(folder))).toEqual([])
  })

  it('are imported downwards only, and never sideways', () => {
    const wrong: string[] = []
    for (const file of files) {
      const from = folderOf(file.path)
      if (from === undefined || isTest(file.path)) continue
      for (const target of importsOf(file)) {
        const to = folderOf(target)
        if (to === undefined || to === from) {
          if (to === undefined && !target.startsWith('src/')) wrong.push(`${file.path} imports ${target}, outside src`)
          continue
        }
        if (layerOf.get(to)! >= layerOf.get(from)!) wrong.push(`${file.path} imports ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })
})

/** What a pure module may not say: each is an effect, or an answer that differs from one call to the next. */
const impure: readonly { what: string; pattern: RegExp }[] = [
  { what: "a module of Node's", pattern: /from 'node:/ },
  { what: 'the clock', pattern: /\bnew Date\(\)|\bDate\.now\(|\bperformance\.now\(|process\.hrtime/ },
  { what: 'chance', pattern: /\bMath\.random\(|\bcrypto\.(randomUUID|getRandomValues)/ },
  { what: 'a timer', pattern: /\bset(Timeout|Interval|Immediate)\(|\bqueueMicrotask\(/ },
  { what: 'the process', pattern: /\bprocess\.(env|exit|stdout|stderr)/ },
  { what: 'the network', pattern: /\bfetch\(/ },
  { what: 'a promise', pattern: /\basync \(|\basync function|\bnew Promise\(|\bawait / },
]

describe('pure modules', () => {
  it.each(table.pure)('%s touches no clock, chance, network, disk or timer', (folder) => {
    const wrong: string[] = []
    for (const file of files) {
      if (!file.path.startsWith(`src/${folder}/`) || isTest(file.path)) continue
      const code = file.text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
      for (const { what, pattern } of impure) if (pattern.test(code)) wrong.push(`${file.path}: ${what}`)
    }
    expect(wrong).toEqual([])
  })
})

describe('files', () => {
  it('have at most 500 lines', () => {
    const long = [...files, ...sourceFiles('cli')].filter(
      (file) => file.path !== 'src/api/kinds.ts' && file.text.split('\n').length > 500,
    )
    expect(long.map((file) => file.path)).toEqual([])
  })

  it('hold no skipped or focused test', () => {
    const wrong = [...files, ...sourceFiles('cli'), ...sourceFiles('test')].filter(
      (file) => /\b(it|test|describe)\.(skip|only|todo)\(/.test(file.text) && !file.path.includes('tidy'),
    )
    expect(wrong.map((file) => file.path)).toEqual([])
  })
})
