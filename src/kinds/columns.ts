import type { Container } from '../api/kinds.ts'
import type { KubeObject } from '../api/object.ts'
import { age } from '../lib/duration.ts'
import type { Column } from './definition.ts'

export type Cell = string | number | boolean | null

interface ColumnForm {
  type?: Column['type']
  format?: string
  description?: string
  /** 1 is shown with `-o wide` only. */
  priority?: number
}

/** One column; its cell is a pure function of the object and of the time. */
export function column<T extends KubeObject>(
  name: string,
  cell: (object: T, nowMs: number) => Cell,
  { type = 'string', format, description, priority = 0 }: ColumnForm = {},
): Column {
  return {
    name,
    type,
    ...(format ? { format } : {}),
    description: description ?? `${name} of the object.`,
    priority,
    cell: cell as Column['cell'],
  }
}

/** A column that `-o wide` adds. */
export const wide = <T extends KubeObject>(
  name: string,
  cell: (object: T, nowMs: number) => Cell,
  form: ColumnForm = {},
) => column(name, cell, { ...form, priority: 1 })

/** A column of whole numbers; absent ones are zero. */
export const count = <T extends KubeObject>(
  name: string,
  cell: (object: T) => number | undefined,
  description?: string,
) => column<T>(name, (object) => cell(object) ?? 0, { type: 'integer', description })

export const nameColumn = column('Name', (object) => object.metadata.name ?? '', {
  format: 'name',
  description: 'Name of the object, unique within its namespace.',
})

export const ageColumn = column('Age', (object, nowMs) => age(object.metadata.creationTimestamp, nowMs), {
  description: 'Time since the object was created.',
})

export const createdAtColumn = column('Created At', (object) => object.metadata.creationTimestamp ?? null, {
  type: 'date',
  description: 'When the object was created.',
})

/** What kinds without a printer of their own show. */
export const defaultColumns: readonly Column[] = [nameColumn, createdAtColumn]

const namesOf = (containers: readonly Container[] | undefined) => (containers ?? []).map(({ name }) => name).join(',')
const imagesOf = (containers: readonly Container[] | undefined) =>
  (containers ?? []).map(({ image }) => image ?? '').join(',')

/** The wide columns Containers and Images of everything that has a pod template. */
export function templateColumns<T extends KubeObject>(
  containers: (object: T) => readonly Container[] | undefined,
): Column[] {
  return [
    wide<T>('Containers', (object) => namesOf(containers(object)), {
      description: 'Names of the containers in the template.',
    }),
    wide<T>('Images', (object) => imagesOf(containers(object)), {
      description: 'Images of the containers in the template.',
    }),
  ]
}
