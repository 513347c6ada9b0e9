import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { age } from '../../lib/duration.ts'
import { ageColumn, nameColumn } from '../../kinds/columns.ts'
import { composeStrategies } from '../../kinds/compose.ts'
import type { Column, ResourceDefinition, SubresourceDefinition } from '../../kinds/definition.ts'
import { dns1123Subdomain } from '../../kinds/meta/names.ts'
import type { Schema } from '../../schema/schema.ts'
import { schemaFromOpenApi } from '../../schema/structural.ts'
import { apiVersionOf } from '../api-version.ts'
import type { ScalePaths } from '../scale.ts'
import { compileJsonPath } from './json-path.ts'

/** A served version of a CRD: what a built-in definition has, and what the CRD says besides. */
export interface CustomDefinition extends ResourceDefinition {
  schema: Schema
  scalePaths?: ScalePaths
  /** Set for a deprecated version: sent as a warning with each answer. */
  deprecationWarning?: string
  /** Stored objects may be in another version than the one that is stored now. */
  hasOtherVersions?: boolean
  /** Objects go through the CRD's webhook on their way between versions. */
  conversionWebhook?: NonNullable<CustomResourceDefinition['spec']['conversion']>
}

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

/** The catalogue entries of an established CRD, one a served version. Pure. */
export function customDefinitions(crd: CustomResourceDefinition, metadata: Schema): CustomDefinition[] {
  const storage = crd.spec.versions.find((version) => version.storage)
  if (!storage) return []
  // The storage version is known to the pipeline even when nobody may ask for it.
  return crd.spec.versions
    .filter((version) => version.served || version.storage)
    .map((version) => define(crd, version, storage.name, metadata))
}

function define(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  storageVersion: string,
  metadata: Schema,
): CustomDefinition {
  const { group, names, scope, conversion } = crd.spec
  const namespaced = scope === 'Namespaced'
  const subresources = version.served ? subresourcesOf(crd, version) : []
  const selectable = (version.selectableFields ?? []).flatMap(({ jsonPath }) => {
    const path = compileJsonPath(jsonPath)
    return path ? [{ name: jsonPath.replace(/^\./, ''), path }] : []
  })
  const scale = version.subresources?.scale
  const hasOtherVersions = crd.spec.versions.length > 1
  const converts = conversion?.strategy === 'Webhook' && hasOtherVersions
  return {
    group,
    version: version.name,
    resource: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    namespaced,
    verbs: version.served ? verbs : [],
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    schemaName: '',
    schema: schemaFromOpenApi(version.schema?.openAPIV3Schema ?? { type: 'object' }, metadata),
    storageVersion,
    subresources,
    ...composeStrategies(
      { group, resource: names.plural },
      {
        namespaced,
        nameRule: dns1123Subdomain,
        anyFinalizer: true,
        subresources: subresources.filter(({ name }) => name === 'status').map(({ name }) => name),
      },
    ),
    columns: columnsOf(version.additionalPrinterColumns),
    selectableFields: (object) => ({
      'metadata.name': object.metadata.name ?? '',
      ...(namespaced ? { 'metadata.namespace': object.metadata.namespace ?? '' } : {}),
      ...Object.fromEntries(selectable.map(({ name, path }) => [name, text(path(object)[0])])),
    }),
    decided: false,
    hasGeneration: true,
    hasOtherVersions,
    ...(scale ? { scalePaths: scalePathsOf(scale) } : {}),
    ...(version.deprecated ? { deprecationWarning: deprecationOf(crd, version) } : {}),
    ...(converts
      ? { conversionWebhook: conversion }
      : {
          convertTo: (object: KubeObject, to: string) => ({
            ...object,
            apiVersion: apiVersionOf({ group, version: to }),
          }),
        }),
  }
}

function subresourcesOf(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
): SubresourceDefinition[] {
  const body = { verbs: ['get', 'patch', 'update'] }
  const { status, scale } = version.subresources ?? {}
  return [
    ...(status
      ? [{ name: 'status', group: crd.spec.group, version: version.name, kind: crd.spec.names.kind, ...body }]
      : []),
    ...(scale ? [{ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', ...body }] : []),
  ]
}

function scalePathsOf(scale: {
  specReplicasPath: string
  statusReplicasPath: string
  labelSelectorPath?: string
}): ScalePaths {
  const bare = (path: string) => path.replace(/^\./, '')
  return {
    specReplicas: bare(scale.specReplicasPath),
    statusReplicas: bare(scale.statusReplicasPath),
    ...(scale.labelSelectorPath ? { selector: bare(scale.labelSelectorPath) } : {}),
  }
}

function columnsOf(columns: readonly CustomResourceColumnDefinition[] | undefined): Column[] {
  if (!columns || columns.length === 0) return [nameColumn, ageColumn]
  return [
    nameColumn,
    ...columns.map(({ name, type, format, description, priority, jsonPath }): Column => {
      const path = compileJsonPath(jsonPath)
      return {
        name,
        type: type as Column['type'],
        ...(format ? { format } : {}),
        description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
        priority: priority ?? 0,
        cell: (object, nowMs) => cellOf(path?.(object)[0], type, nowMs),
      }
    }),
  ]
}

function cellOf(value: unknown, type: string, nowMs: number): string | number | boolean | null {
  if (value === undefined || value === null) return null
  switch (type) {
    case 'integer':
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' ? age(value, nowMs) : null
    default:
      return text(value)
  }
}

const text = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)

function deprecationOf(crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion): string {
  return version.deprecationWarning ?? `${crd.spec.group}/${version.name} ${crd.spec.names.kind} is deprecated`
}
