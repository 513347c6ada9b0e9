import type { Ingress, IngressClass } from '../api/kinds.ts'
import { refs } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { newestDefault } from './newest-default.ts'
import { isOn, type AdmissionPlugin } from './plugin.ts'

/** Gives Ingresses that name no class the default one. */
export function defaultIngressClass(classes: Informer<IngressClass>): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    mutates(attributes) {
      if (!isOn(attributes, refs.ingresses, 'CREATE')) return
      const ingress = attributes.object as Ingress
      if (ingress.spec?.ingressClassName !== undefined) return
      if (ingress.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined) return
      const chosen = newestDefault(classes.list(), ['ingressclass.kubernetes.io/is-default-class'])
      if (chosen) ingress.spec = { ...ingress.spec, ingressClassName: chosen.metadata.name }
    },
  }
}
