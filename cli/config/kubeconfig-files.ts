import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  type Kubeconfig,
  type KubeconfigEntry,
  mergeKubeconfigs,
  parseKubeconfig,
} from '../../src/client/kubeconfig.ts'
import { type Invocation, type OptionDefinition } from '../command.ts'
import { kubeconfigPaths, userKubeconfig } from '../connection.ts'
import { toYaml } from '../printers/object.ts'

export type Section = 'clusters' | 'users' | 'contexts'

/** The field of an entry that holds what it is about. */
export const entryField = { clusters: 'cluster', users: 'user', contexts: 'context' } as const

export const fileOption: OptionDefinition = { flags: '--kubeconfig <file>', summary: 'kubeconfig to read and change' }

interface KubeconfigFile {
  readonly path: string
  config: Kubeconfig
  changed: boolean
}

/**
 * The kubeconfigs that an invocation is about, of which an entry is changed where it stands, and a new one goes to the
 * first that is there (client-go's PathOptions).
 */
export class KubeconfigFiles {
  readonly #files: readonly KubeconfigFile[]

  constructor(files: readonly KubeconfigFile[]) {
    this.#files = files
  }

  static of(invocation: Invocation): KubeconfigFiles {
    const paths = kubeconfigPaths(invocation)
    return new KubeconfigFiles(
      (paths.length > 0 ? paths : [userKubeconfig(invocation.io)]).map((path) => ({
        path,
        config: existsSync(path) ? parseKubeconfig(readFileSync(path, 'utf8')) : {},
        changed: false,
      })),
    )
  }

  /** The path that messages name: where a new entry goes. */
  get path(): string {
    return this.#main.path
  }

  get #main(): KubeconfigFile {
    return this.#files.find(({ path }) => existsSync(path)) ?? this.#files.at(-1)!
  }

  merged(): Kubeconfig {
    return mergeKubeconfigs(this.#files.map(({ config }) => config))
  }

  /** Each with the path that it was read from. */
  all(): readonly { path: string; config: Kubeconfig }[] {
    return this.#files
  }

  entry(section: Section, name: string): KubeconfigEntry | undefined {
    return this.#fileOf(section, name)?.config[section]?.find((one) => one.name === name)
  }

  put(section: Section, entry: KubeconfigEntry): void {
    const file = this.#fileOf(section, entry.name) ?? this.#main
    const list = file.config[section] ?? []
    const isThere = list.some(({ name }) => name === entry.name)
    change(file, {
      [section]: isThere ? list.map((one) => (one.name === entry.name ? entry : one)) : [...list, entry],
    })
  }

  remove(section: Section, name: string): void {
    for (const file of this.#files) {
      const list = file.config[section] ?? []
      const left = list.filter((one) => one.name !== name)
      if (left.length < list.length) change(file, { [section]: left })
    }
  }

  clear(section: Section): void {
    for (const file of this.#files) change(file, { [section]: [] })
  }

  setCurrent(name: string): void {
    const file = this.#files.find(({ config }) => config['current-context']) ?? this.#main
    change(file, { 'current-context': name })
  }

  /** Each changed one is written whole and renamed: a reader sees the old file or the new one. */
  save(): void {
    for (const { path, config, changed } of this.#files) {
      if (!changed) continue
      mkdirSync(dirname(path), { recursive: true })
      const draft = `${path}.${process.pid}.new`
      const mode = existsSync(path) ? statSync(path).mode & 0o777 : 0o600
      writeFileSync(draft, toYaml({ apiVersion: 'v1', kind: 'Config', ...config }), { mode })
      renameSync(draft, path)
    }
  }

  #fileOf(section: Section, name: string): KubeconfigFile | undefined {
    return this.#files.find(({ config }) => config[section]?.some((one) => one.name === name))
  }
}

function change(file: KubeconfigFile, to: Partial<Kubeconfig>): void {
  file.config = { ...file.config, ...to }
  file.changed = true
}
