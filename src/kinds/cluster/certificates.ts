import type { CertificateSigningRequest, ClusterTrustBundle, PodCertificateRequest } from '../../api/kinds.ts'
import { fieldErrors, type FieldError } from '../../api/status-error.ts'
import { humanDuration } from '../../lib/duration.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { keepPart } from '../compose.ts'
import { anyName, dns1123Subdomain } from '../meta/names.ts'
import { immutable, invalidEach, sameValue } from '../meta/validate.ts'
import { traits } from '../traits.ts'

type Request = CertificateSigningRequest

const group = 'certificates.k8s.io'
const minExpirationSeconds = 600

function conditionOf({ status }: Request): string {
  const types = new Set((status?.conditions ?? []).map(({ type }) => type))
  const decision = types.has('Denied') ? 'Denied' : types.has('Approved') ? 'Approved' : 'Pending'
  return `${decision}${types.has('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`
}

/** `domain/path`: the domain at least two labels. */
function validateSigner(name: string | undefined, path: string): FieldError[] {
  if (!name) return [fieldErrors.required(path)]
  const [domain = '', ...rest] = name.split('/')
  if (rest.length !== 1 || rest[0] === '' || !domain.includes('.')) {
    return [
      fieldErrors.invalid(
        path,
        name,
        'must be a fully qualified domain and path of the form "example.com/signer-name"',
      ),
    ]
  }
  return invalidEach(path, name, dns1123Subdomain(domain))
}

function validateRequest({ spec }: Request): FieldError[] {
  if (!spec) return [fieldErrors.required('spec')]
  const wrong = validateSigner(spec.signerName, 'spec.signerName')
  if (!spec.request) wrong.push(fieldErrors.required('spec.request'))
  else if (!startsWithPem(spec.request, 'CERTIFICATE REQUEST')) {
    wrong.push(fieldErrors.invalid('spec.request', '', 'PEM block type must be CERTIFICATE REQUEST'))
  }
  if (!spec.usages?.length) wrong.push(fieldErrors.required('spec.usages'))
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < minExpirationSeconds) {
    wrong.push(
      fieldErrors.invalid(
        'spec.expirationSeconds',
        spec.expirationSeconds,
        'may not specify a duration less than 600 seconds (10 minutes)',
      ),
    )
  }
  return wrong
}

function startsWithPem(base64: string, type: string): boolean {
  try {
    return atob(base64).includes(`-----BEGIN ${type}-----`)
  } catch {
    return false
  }
}

const isDecision = ({ type }: { type: string }) => type === 'Approved' || type === 'Denied' || type === 'Failed'

/** A decision once made stays. */
function validateConditions(next: Request, old: Request): FieldError[] {
  const conditions = next.status?.conditions ?? []
  const wrong = (old.status?.conditions ?? [])
    .filter(isDecision)
    .filter((one) => !conditions.some(({ type }) => type === one.type))
    .map((one) =>
      fieldErrors.forbidden(
        'status.conditions',
        `updates may not remove a condition of type ${JSON.stringify(one.type)}`,
      ),
    )
  const types = new Set(conditions.map(({ type }) => type))
  if (types.has('Approved') && types.has('Denied')) {
    wrong.push(
      fieldErrors.invalid('status.conditions', 'Denied', 'Approved and Denied conditions are mutually exclusive'),
    )
  }
  return wrong
}

export const certificateRequestTraits = traits<Request>({
  group,
  resource: 'certificatesigningrequests',
  shortNames: ['csr'],
  nameRule: anyName,
  columns: [
    nameColumn,
    ageColumn,
    column<Request>('SignerName', ({ spec }) => spec?.signerName || '<none>'),
    column<Request>('Requestor', ({ spec }) => spec?.username ?? ''),
    column<Request>('RequestedDuration', ({ spec }) =>
      spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    column<Request>('Condition', conditionOf),
  ],
  selectable: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
  strategy: {
    applyDefaults({ spec, status }) {
      if (spec && !spec.usages?.length) spec.usages = ['digital signature', 'key encipherment']
      for (const condition of status?.conditions ?? []) condition.status ||= 'True'
    },
    validate: validateRequest,
    // Who asked for what is part of what gets signed.
    validateUpdate: (next, old) => (sameValue(next.spec, old.spec) ? [] : immutable('spec', next.spec, old.spec)),
  },
  subresourceStrategies: {
    status: {
      prepareForUpdate(next, old) {
        // Approving is a right of its own: /status cannot add or remove a decision.
        const others = (next.status?.conditions ?? []).filter((one) => one.type !== 'Approved' && one.type !== 'Denied')
        const decisions = (old.status?.conditions ?? []).filter(
          (one) => one.type === 'Approved' || one.type === 'Denied',
        )
        if (next.status && decisions.length + others.length > 0) next.status.conditions = [...decisions, ...others]
      },
      validateUpdate: validateConditions,
    },
    approval: {
      prepareForUpdate(next, old) {
        const conditions = next.status?.conditions
        keepPart(next, old, 'spec')
        keepPart(next, old, 'status')
        next.status = { ...next.status, ...(conditions ? { conditions } : {}) }
      },
      validateUpdate: validateConditions,
    },
  },
})

export const clusterTrustBundleTraits = traits<ClusterTrustBundle>({
  group,
  resource: 'clustertrustbundles',
  nameRule: (name, prefix) => dns1123Subdomain(name.split(':').at(-1) ?? '', prefix),
  columns: [nameColumn, column<ClusterTrustBundle>('SignerName', ({ spec }) => spec?.signerName || '<none>')],
  selectable: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
  strategy: {
    validate: ({ spec }) => (spec?.trustBundle ? [] : [fieldErrors.required('spec.trustBundle')]),
    validateUpdate: ({ spec }, old) => immutable('spec.signerName', spec?.signerName, old.spec?.signerName),
  },
})

export const podCertificateRequestTraits = traits<PodCertificateRequest>({
  group,
  resource: 'podcertificaterequests',
  selectable: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '', 'spec.nodeName': spec?.nodeName ?? '' }),
  strategy: { validateUpdate: ({ spec }, old) => immutable('spec', spec, old.spec) },
})
