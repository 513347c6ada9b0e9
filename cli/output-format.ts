import { readFileSync } from 'node:fs'
import { type Invocation, option, type OptionDefinition, UsageError } from './command.ts'
import { printObject } from './printers/object.ts'

export const outputOption: OptionDefinition = {
  flags: '-o, --output <format>',
  summary:
    'wide, yaml, kyaml, json, name, jsonpath=…, jsonpath-as-json=…, custom-columns=…, go-template=…, each of the last four also as …-file=<path>',
}

export const templateOption: OptionDefinition = {
  flags: '--template <template>',
  summary: 'the template of -o go-template, or the file of -o go-template-file',
}

/** How objects are printed by whatever prints them. */
export const outputOptions: readonly OptionDefinition[] = [
  outputOption,
  templateOption,
  { flags: '--show-managed-fields', summary: 'with metadata.managedFields (json, yaml)' },
  {
    flags: '--allow-missing-template-keys',
    summary: 'a field that a jsonpath misses is no error (default true)',
    hidden: true,
  },
  { flags: '--no-allow-missing-template-keys', summary: 'it is one', hidden: true },
]

/** What -o and its companions ask for; undefined where they ask for a table, a name or nothing. */
export const printAsAsked = (
  invocation: Invocation,
  object: object,
  format = outputOf(invocation),
): string | undefined =>
  printObject(object, format, {
    withManagedFields: option.flag(invocation, 'showManagedFields'),
    withHeader: invocation.options['headers'] !== false,
    needsEveryField: invocation.options['allowMissingTemplateKeys'] === false,
  })

const templateFormats = new Map([
  ['template', 'go-template'],
  ['go-template', 'go-template'],
  ['templatefile', 'go-template-file'],
  ['go-template-file', 'go-template-file'],
])

/**
 * The format that `-o` asks for. `--template` is put to its format, and what stands in a file takes the file's place, so
 * that printers read no files.
 */
export function outputOf(invocation: Invocation): string | undefined {
  const asked = option.text(invocation, 'output')
  const template = option.text(invocation, 'template')
  const [name = '', ...rest] = (asked ?? (template === undefined ? '' : 'go-template')).split('=')
  const format = templateFormats.get(name)
  const given = rest.length > 0 ? rest.join('=') : format === undefined ? undefined : template
  if (format === 'go-template') return given === undefined ? 'go-template' : `go-template=${given}`
  if (given !== undefined && format === 'go-template-file') return `go-template=${readText(given)}`
  if (given !== undefined && name === 'jsonpath-file') return `jsonpath=${readText(given)}`
  if (given !== undefined && name === 'custom-columns-file') return `custom-columns=${columnsOf(readText(given))}`
  return asked
}

function columnsOf(text: string): string {
  const [headers = [], paths = []] = text.split('\n').map((line) => line.trim().split(/\s+/))
  if (headers.length !== paths.length)
    throw new UsageError(`number of headers (${headers.length}) and field specifications (${paths.length}) don't match`)
  return headers.map((header, index) => `${header}:${paths[index]}`).join(',')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`error reading template ${path}, ${error instanceof Error ? error.message : String(error)}`)
  }
}
