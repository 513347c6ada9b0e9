import type { Authorize } from '../../api/authorizer.ts'
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  Namespace,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../../api/kinds.ts'
import type { KubeObject } from '../../api/object.ts'
import { errors, isStatus } from '../../api/status-error.ts'
import { refs } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import type { Random } from '../../lib/clock.ts'
import { applyJsonPatch } from '../../schema/json-patch.ts'
import { admissionVariables, conditionsHold } from '../match-conditions.ts'
import { matchedResource, type Equivalents } from '../matching.ts'
import type { AdmissionAttributes, AdmissionPlugin, AdmissionResource } from '../plugin.ts'
import { denial, readAnswer, reviewBody, type WebhookAnswer, type WebhookTransport } from './review.ts'

export interface WebhookOptions {
  informers: Informers
  authorize: Authorize
  equivalents: Equivalents
  transport: WebhookTransport
  /** An object in another version of its resource. Without it webhooks see the version of the request. */
  convertTo?(object: KubeObject, from: AdmissionResource, to: AdmissionResource): Promise<KubeObject>
  random: Random
}

const group = 'admissionregistration.k8s.io'
const defaultTimeoutSeconds = 10

/** Asks the webhooks that configurations name, and turns what goes wrong into what their failurePolicy says. */
function createCaller(options: WebhookOptions) {
  const namespaces = options.informers.for<Namespace>(refs.namespaces)

  /** The resource under which the webhook is to be asked; undefined when the request is none of its business. */
  function concerns(webhook: ValidatingWebhook, attributes: AdmissionAttributes): AdmissionResource | undefined {
    const matched = matchedResource({ ...webhook, rules: webhook.rules ?? [] }, attributes, {
      namespaces,
      equivalents: options.equivalents,
    })
    if (!matched || !webhook.matchConditions?.length) return matched
    try {
      return conditionsHold(webhook.matchConditions, admissionVariables(attributes, matched, options.authorize))
        ? matched
        : undefined
    } catch (error) {
      if (webhook.failurePolicy === 'Ignore') return undefined
      throw errors.forbidden(
        attributes.ref,
        attributes.name,
        `failed evaluating matchConditions of webhook ${JSON.stringify(webhook.name)}: ${(error as Error).message}`,
      )
    }
  }

  /** Undefined when the webhook failed and may be ignored. Throws its refusal. */
  async function ask(
    webhook: ValidatingWebhook,
    attributes: AdmissionAttributes,
    matched: AdmissionResource,
  ): Promise<WebhookAnswer | undefined> {
    if (attributes.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
      throw errors.badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`)
    }
    const uid = Buffer.from(options.random.bytes(16)).toString('hex')
    let answer: WebhookAnswer
    try {
      const body = await options.transport(webhook.clientConfig, reviewBody(attributes, matched, uid), {
        timeoutMs: (webhook.timeoutSeconds ?? defaultTimeoutSeconds) * 1000,
        signal: attributes.signal,
      })
      answer = readAnswer(body, uid)
    } catch (error) {
      if (webhook.failurePolicy === 'Ignore') {
        attributes.auditAnnotations[`failed-open.webhook.admission.k8s.io/${webhook.name}`] = (error as Error).message
        return undefined
      }
      throw errors.internal(`failed calling webhook ${JSON.stringify(webhook.name)}: ${(error as Error).message}`)
    }
    for (const [key, value] of Object.entries(answer.auditAnnotations)) {
      attributes.auditAnnotations[`${webhook.name}/${key}`] = value
    }
    attributes.warnings.push(...answer.warnings)
    if (!answer.allowed) throw denial(webhook.name, answer.status)
    return answer
  }

  /** The request as the webhook's rule names it: with its objects in that version. */
  async function asMatched(attributes: AdmissionAttributes, matched: AdmissionResource): Promise<AdmissionAttributes> {
    const { ref, object, oldObject, operation } = attributes
    if (matched.version === ref.version || operation === 'CONNECT' || !options.convertTo) return attributes
    const convert = (one: KubeObject) => options.convertTo!(one, ref, matched)
    return {
      ...attributes,
      ...(object ? { object: await convert(object) } : {}),
      ...(oldObject ? { oldObject: await convert(oldObject) } : {}),
    }
  }

  return { concerns, ask, asMatched }
}

interface Configuration<W> extends KubeObject {
  webhooks?: W[]
}

/** Webhooks in the order of their configurations' names. */
function inOrder<W>(configurations: readonly Configuration<W>[]): { id: string; webhook: W }[] {
  return configurations
    .toSorted((left, right) => ((left.metadata.name ?? '') < (right.metadata.name ?? '') ? -1 : 1))
    .flatMap(({ metadata, webhooks }) =>
      (webhooks ?? []).map((webhook, index) => ({ id: `${metadata.name}/${index}`, webhook })),
    )
}

/** Webhooks that may change the object: one after the other, and those that want it once more when others changed it. */
export function mutatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  const configurations = options.informers.for<MutatingWebhookConfiguration>({
    group,
    resource: 'mutatingwebhookconfigurations',
  })
  const { concerns, ask, asMatched } = createCaller(options)
  /** The object as each webhook left it, by request: in the second round it is asked only if the object changed since. */
  const seen = new WeakMap<AdmissionAttributes, Map<string, string>>()

  async function invoke(webhook: MutatingWebhook, attributes: AdmissionAttributes): Promise<boolean> {
    const matched = concerns(webhook, attributes)
    if (!matched) return false
    const seenByWebhook = await asMatched(attributes, matched)
    const answer = await ask(webhook, seenByWebhook, matched)
    if (!answer?.patch || !seenByWebhook.object) return false
    const before = JSON.stringify(attributes.object)
    try {
      const patched = applyJsonPatch(seenByWebhook.object, answer.patch) as KubeObject
      attributes.object =
        seenByWebhook === attributes ? patched : await options.convertTo!(patched, matched, attributes.ref)
    } catch (error) {
      if (webhook.failurePolicy === 'Ignore') return false
      const why = isStatus(error) ? error.message : String(error)
      throw errors.internal(`failed applying the patch of webhook ${JSON.stringify(webhook.name)}: ${why}`)
    }
    return JSON.stringify(attributes.object) !== before
  }

  return {
    name: 'MutatingAdmissionWebhook',
    async mutates(attributes) {
      const all = inOrder(configurations.list())
      if (all.length === 0) return false
      const first = !seen.has(attributes)
      const left = seen.get(attributes) ?? new Map<string, string>()
      seen.set(attributes, left)
      let changed = false
      for (const { id, webhook } of all) {
        const isAgain = webhook.reinvocationPolicy === 'IfNeeded' && left.get(id) !== JSON.stringify(attributes.object)
        if (!first && !isAgain) continue
        if (await invoke(webhook, attributes)) changed = true
        left.set(id, JSON.stringify(attributes.object))
      }
      return changed
    },
  }
}

/** Webhooks that only judge: all at once; the first refusal in their order counts. */
export function validatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  const configurations = options.informers.for<ValidatingWebhookConfiguration>({
    group,
    resource: 'validatingwebhookconfigurations',
  })
  const { concerns, ask, asMatched } = createCaller(options)
  return {
    name: 'ValidatingAdmissionWebhook',
    async validates(attributes) {
      const asked = inOrder(configurations.list()).map(async ({ webhook }) => {
        const matched = concerns(webhook, attributes)
        if (matched) await ask(webhook, await asMatched(attributes, matched), matched)
      })
      const refused = (await Promise.allSettled(asked)).find((outcome) => outcome.status === 'rejected')
      if (refused) throw refused.reason
    },
  }
}
