import type { KubeObject } from '../api/object.ts'
import { errors } from '../api/status-error.ts'
import type { ResourceDefinition } from '../kinds/definition.ts'
import type { Decoded } from '../schema/schema.ts'
import { applyMergePatch } from '../schema/merge-patch.ts'
import type { RegistryOptions } from './environment.ts'
import type { PatchOptions, Target, WriteOptions } from './options.ts'
import { patchObject, patchPreconditions, type Patch } from './patches.ts'
import type { RequestContext } from './ports.ts'
import type { Reader } from './reader.ts'
import { builtInScalePaths, fromScale, toScale, type ScalePaths } from './scale.ts'
import type { Writer, Written } from './writer.ts'

/** A definition that keeps its replicas elsewhere (CRDs: spec.versions[].subresources.scale). */
export interface ScalableDefinition extends ResourceDefinition {
  scalePaths?: ScalePaths
}

/** The scale subresource: reads and writes of the workload through its autoscaling/v1 projection. */
export interface ScaleView {
  get(target: Target): Promise<KubeObject>
  update(context: RequestContext, target: Target, body: Decoded, options: WriteOptions): Promise<Written>
  patch(context: RequestContext, target: Target, patch: Patch, options: PatchOptions): Promise<Written>
}

export function createScaleView(registry: RegistryOptions, reader: Reader, writer: Writer): ScaleView {
  const pathsOf = (target: Target): ScalePaths =>
    (target.definition as ScalableDefinition).scalePaths ?? builtInScalePaths

  async function change(
    context: RequestContext,
    target: Target,
    next: (scale: KubeObject) => KubeObject,
    preconditions: { resourceVersion?: string; uid?: string },
    options: WriteOptions,
  ): Promise<Written> {
    const paths = pathsOf(target)
    const written = await writer.change(
      context,
      target,
      { next: (current) => fromScale(current, next(toScale(current, paths)), paths), preconditions },
      options,
    )
    return { ...written, object: toScale(written.object, paths) }
  }

  return {
    get: async (target) => toScale(await reader.get({ ...target, subresource: '' }), pathsOf(target)),
    async update(context, target, body, options) {
      const scale = body.value as KubeObject
      if (typeof scale !== 'object' || scale === null || typeof scale.metadata !== 'object') {
        throw errors.badRequest('the body must be an autoscaling/v1 Scale')
      }
      if (scale.metadata.name !== undefined && scale.metadata.name !== target.name) {
        throw errors.badRequest(
          `the name of the object (${scale.metadata.name}) does not match the name on the URL (${target.name})`,
        )
      }
      const { resourceVersion, uid } = scale.metadata
      return change(
        context,
        target,
        () => scale,
        { ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) },
        options,
      )
    },
    patch(context, target, patch, options) {
      const patched = (scale: KubeObject): KubeObject =>
        // Scale holds no lists: a strategic merge of it is a plain one.
        (patch.type === 'json'
          ? patchObject(registry.types, target.definition, scale, patch)
          : applyMergePatch(scale, patch.body)) as KubeObject
      return change(context, target, patched, patchPreconditions(patch), options)
    },
  }
}
