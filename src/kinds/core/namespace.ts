import type { Namespace } from '../../api/kinds.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { keepPart } from '../compose.ts'
import { dns1123Label } from '../meta/names.ts'
import { traits } from '../traits.ts'

const kubernetesFinalizer = 'kubernetes'
/** Selectors of namespaces can name one by this label (KEP-2161). */
const nameLabel = 'kubernetes.io/metadata.name'

export const namespaceTraits = traits<Namespace>({
  group: '',
  resource: 'namespaces',
  shortNames: ['ns'],
  nameRule: dns1123Label,
  columns: [
    nameColumn,
    column<Namespace>('Status', ({ status }) => status?.phase ?? '', {
      description: 'Whether the namespace is being deleted.',
    }),
    ageColumn,
  ],
  selectable: ({ metadata, status }) => ({ name: metadata.name ?? '', 'status.phase': status?.phase ?? '' }),
  strategy: {
    prepareForCreate(namespace) {
      namespace.status = { phase: 'Active' }
      // Its content goes first: the namespace controller takes this one away at the end.
      const finalizers = namespace.spec?.finalizers ?? []
      if (!finalizers.includes(kubernetesFinalizer)) {
        namespace.spec = { ...namespace.spec, finalizers: [...finalizers, kubernetesFinalizer] }
      }
    },
    prepareForUpdate(namespace, old) {
      if (old.spec?.finalizers) namespace.spec = { ...namespace.spec, finalizers: [...old.spec.finalizers] }
    },
    applyDefaults({ metadata }) {
      if (!metadata.name) return
      metadata.labels ??= {}
      metadata.labels[nameLabel] = metadata.name
    },
  },
  subresourceStrategies: {
    finalize: {
      prepareForUpdate(namespace, old) {
        keepPart(namespace, old, 'status')
      },
    },
  },
})
