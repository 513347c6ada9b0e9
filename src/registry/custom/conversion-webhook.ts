import type { WebhookTransport } from '../../admission/webhook/review.ts'
import type { KubeObject } from '../../api/object.ts'
import { StatusError } from '../../api/status-error.ts'
import type { Random } from '../../lib/clock.ts'
import { must } from '../../lib/assert.ts'
import { apiVersionOf } from '../api-version.ts'
import type { RegistryOptions } from '../environment.ts'
import { newUid } from '../metadata.ts'
import type { CustomDefinition } from './definitions.ts'

/** As upstream's: a conversion stands in the way of every read. */
const timeoutMs = 30_000

interface ConversionAnswer {
  response?: {
    uid?: string
    result?: { status?: string; message?: string }
    convertedObjects?: KubeObject[]
  }
}

/** Converts custom objects by their CRD's webhook (apiextensions.k8s.io/v1 ConversionReview). */
export function webhookConversion(options: {
  transport: WebhookTransport
  random: Random
}): NonNullable<RegistryOptions['convert']> {
  return async (objects, from, to) => {
    const { webhook } = (from as Partial<CustomDefinition>).conversionWebhook ?? {}
    const desiredAPIVersion = apiVersionOf(to)
    if (!webhook?.clientConfig) throw failed(objects, 'no webhook is configured')
    const uid = newUid(options.random)
    const review = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'ConversionReview',
      request: { uid, desiredAPIVersion, objects },
    }
    let answer: ConversionAnswer
    try {
      answer = (await options.transport(webhook.clientConfig, review, { timeoutMs })) as ConversionAnswer
    } catch (error) {
      throw failed(objects, (error as Error).message)
    }
    const { response } = answer
    if (response?.uid !== uid) throw failed(objects, 'the answer is not to this request')
    if (response.result?.status !== 'Success') throw failed(objects, response.result?.message ?? 'no reason was given')
    const converted = response.convertedObjects ?? []
    if (converted.length !== objects.length) {
      throw failed(objects, `returned ${converted.length} objects, expected ${objects.length}`)
    }
    return objects.map((object, index) => merged(object, must(converted[index], 'one for each')))

    function merged(object: KubeObject, answered: KubeObject): KubeObject {
      if (answered.apiVersion !== desiredAPIVersion || answered.kind !== object.kind) {
        throw failed(objects, `expected ${object.kind} of ${desiredAPIVersion}`)
      }
      // A conversion may change labels and annotations and nothing else of the metadata.
      const { labels, annotations } = answered.metadata
      const { labels: _labels, annotations: _annotations, ...identity } = object.metadata
      return {
        ...answered,
        metadata: { ...identity, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
      }
    }
  }
}

const failed = ([first]: readonly KubeObject[], why: string) =>
  new StatusError('InternalError', `conversion webhook for ${first?.apiVersion}, Kind=${first?.kind} failed: ${why}`)
