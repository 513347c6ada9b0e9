import { createRequire } from 'node:module'
import type * as yaml from 'yaml'
import type { KubeObject } from '../../src/api/object.ts'
import { UsageError } from '../command.ts'
import { renderGoTemplate } from '../go-template/render.ts'
import { findValues, parseTemplate, renderTemplate } from '../jsonpath.ts'
import { printCustomColumns } from './custom-columns.ts'
import { toKyaml } from './kyaml.ts'

const require = createRequire(import.meta.url)

export interface ObjectView {
  /** With metadata.managedFields, as with --show-managed-fields. */
  withManagedFields?: boolean
  withHeader?: boolean
  /** A field that a jsonpath misses is an error. */
  needsEveryField?: boolean
}

/** Formats that are no tables and show objects as they are. */
const formats =
  'custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml'

/** Whether the format is that of a table, and not of objects as they are. Throws UsageError for one that is unknown. */
export function isTableFormat(format: string | undefined): boolean {
  const name = format?.split('=')[0] ?? ''
  if (name !== '' && !formats.split(',').includes(name)) throw unknownFormat(format)
  return name === '' || name === 'wide'
}

const unknownFormat = (format: string | undefined): UsageError =>
  new UsageError(
    `unable to match a printer suitable for the output format "${format}", allowed formats are: ${formats}`,
  )

/** Structured output of one object or a List; undefined when the format is for a table or a name. */
export function printObject(object: object, format: string | undefined, view: ObjectView = {}): string | undefined {
  const [name = '', ...rest] = (format ?? '').split('=')
  const argument = rest.join('=')
  const shown = view.withManagedFields ? object : withoutManagedFields(object)
  switch (name) {
    case 'json':
      return escapeHtml(JSON.stringify(sorted(shown), null, 4)) + '\n'
    case 'yaml':
      return toYaml(shown)
    case 'kyaml':
      return toKyaml(sorted(shown))
    case 'jsonpath':
      return renderJsonPath(needArgument(argument), sorted(shown), view.needsEveryField ?? false)
    case 'jsonpath-as-json':
      return jsonValues(needArgument(argument), shown)
    case 'go-template':
      return renderGoTemplate(needArgument(argument), sorted(shown))
    case 'custom-columns':
      if (argument === '') throw new UsageError('custom-columns format specified but no custom columns given')
      return printCustomColumns(argument, itemsOf(shown), view.withHeader ?? true)
    case '':
    case 'wide':
    case 'name':
      return undefined
    default:
      throw unknownFormat(format)
  }
}

/** Go's JSON encoder writes what could end a script element as escapes. */
const escapeHtml = (json: string): string =>
  json.replaceAll(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)

/** YAML is loaded only when it is printed: it costs more than the rest of a `get`. */
export function toYaml(value: unknown): string {
  const { Document, visit } = require('yaml') as typeof yaml
  const document = new Document(sorted(value), { aliasDuplicateObjects: false, version: '1.1' })
  const { tags } = document.schema
  // As Go's YAML: texts that would read as another type in double quotes, those that only need quotes in single ones.
  const looksTyped = (text: string): boolean =>
    text !== '.' &&
    tags.some((tag) => 'test' in tag && tag.default && tag.tag !== 'tag:yaml.org,2002:str' && tag.test?.test(text))
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && looksTyped(node.value)) node.type = 'QUOTE_DOUBLE'
    },
  })
  return document.toString({ lineWidth: 0, indentSeq: false, singleQuote: true })
}

/** Keys in order at every depth, as kubectl prints them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  )
}

function renderJsonPath(template: string, object: unknown, needsEveryField: boolean): string {
  const parts = parseTemplate(template)
  try {
    for (const part of needsEveryField ? parts : [])
      if (part.kind !== 'text' && findValues(part.steps, object).length === 0)
        throw new UsageError(missingIn(part.steps))
    return renderTemplate(parts, object)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    throw new UsageError(
      `error executing jsonpath ${JSON.stringify(template)}: Error executing template: ${error.message}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t${template}\n\tobject given to jsonpath engine was:\n\t\t${JSON.stringify(object)}\n`,
      { cause: error },
    )
  }
}

function missingIn(steps: readonly { kind: string }[]): string {
  const last = steps.findLast((step): step is { kind: 'field'; name: string } => step.kind === 'field')
  return `${last?.name ?? 'what the jsonpath names'} is not found`
}

function needArgument(argument: string): string {
  if (argument === '') throw new UsageError('template format specified but no template given')
  return argument
}

function jsonValues(template: string, object: object): string {
  const values = parseTemplate(template).flatMap((part) => (part.kind === 'path' ? findValues(part.steps, object) : []))
  return JSON.stringify(values, null, 4) + '\n'
}

const itemsOf = (object: object): object[] => (object as { items?: object[] }).items ?? [object]

/** As kubectl does without --show-managed-fields. */
function withoutManagedFields<T extends object>(object: T): T {
  const one = object as Partial<KubeObject> & { items?: KubeObject[] }
  if (one.items) return { ...object, items: one.items.map(withoutManagedFields) }
  if (!one.metadata?.managedFields) return object
  const { managedFields: _, ...metadata } = one.metadata
  return { ...object, metadata }
}
