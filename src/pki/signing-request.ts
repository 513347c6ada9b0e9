import { isIP } from 'node:net'
import { pemOf } from './keys.ts'
import type { CertificateAuthority, CertificateUsage } from './certificate-authority.ts'
import type { AlternativeName } from './subject-names.ts'
import * as x509 from './x509.ts'

/** What a PKCS#10 request asks for. */
export interface SigningRequest {
  commonName: string
  organizations: string[]
  /** Every attribute of the subject, by its short name (CN, O, OU, …) or its OID. */
  subject: Record<string, string[]>
  dnsNames: string[]
  ipAddresses: string[]
  emailAddresses: string[]
  uris: string[]
  publicKey: x509.PublicKey
}

/** The signers of certificates.k8s.io that this cluster has. */
export const signerNames = {
  apiserverClient: 'kubernetes.io/kube-apiserver-client',
  kubeletClient: 'kubernetes.io/kube-apiserver-client-kubelet',
  kubeletServing: 'kubernetes.io/kubelet-serving',
  legacyUnknown: 'kubernetes.io/legacy-unknown',
} as const

/** Reads a PEM request and checks its self-signature. Throws an Error that says what is wrong with it. */
export async function parseSigningRequest(pem: string): Promise<SigningRequest> {
  if (!/-----BEGIN (NEW )?CERTIFICATE REQUEST-----/.test(pem)) {
    throw new Error('PEM block type must be CERTIFICATE REQUEST')
  }
  const request = new x509.Pkcs10CertificateRequest(pem)
  if (!(await request.verify())) throw new Error('the signature of the certificate request does not match its key')
  const subject = request.subjectName
  const names = request.extensions
    .filter(
      (extension): extension is x509.SubjectAlternativeNameExtension =>
        extension instanceof x509.SubjectAlternativeNameExtension,
    )
    .flatMap((extension) => extension.names.items)
  const of = (type: x509.GeneralNameType): string[] =>
    names.filter((name) => name.type === type).map((name) => name.value)
  return {
    commonName: subject.getField('CN')[0] ?? '',
    organizations: subject.getField('O'),
    subject: Object.assign({}, ...subject.toJSON()) as Record<string, string[]>,
    dnsNames: of('dns'),
    ipAddresses: of('ip'),
    emailAddresses: of('email'),
    uris: of('url'),
    publicKey: request.publicKey,
  }
}

/**
 * Why this signer refuses the request, or undefined when it would sign it. `usages` are those of the
 * CertificateSigningRequest's spec. Rules: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests.
 */
export function signerRefusal(
  signerName: string,
  request: SigningRequest,
  usages: readonly string[],
): string | undefined {
  const anySan =
    request.dnsNames.length + request.ipAddresses.length + request.emailAddresses.length + request.uris.length > 0
  switch (signerName) {
    case signerNames.apiserverClient:
      return usages.includes('client auth')
        ? unexpectedUsage(usages, ['client auth', 'digital signature', 'key encipherment'])
        : 'usages did not include client auth'
    case signerNames.kubeletClient:
      if (!sameSet(request.organizations, ['system:nodes'])) return 'subject organization is not system:nodes'
      if (!request.commonName.startsWith('system:node:')) return 'subject common name does not begin with system:node:'
      if (request.dnsNames.length) return 'DNS subjectAltNames are not allowed'
      if (anySan) return 'IP, email and URI subjectAltNames are not allowed'
      return exactUsages(usages, 'client auth')
    case signerNames.kubeletServing:
      if (!sameSet(request.organizations, ['system:nodes'])) return 'subject organization is not system:nodes'
      if (!request.commonName.startsWith('system:node:')) return 'subject common name does not begin with system:node:'
      if (request.emailAddresses.length) return 'email subjectAltNames are not allowed'
      if (request.uris.length) return 'URI subjectAltNames are not allowed'
      if (!request.dnsNames.length && !request.ipAddresses.length) return 'DNS or IP subjectAltName is required'
      return exactUsages(usages, 'server auth')
    case signerNames.legacyUnknown:
      return undefined
    default:
      return `signer ${signerName} is not one of this cluster's`
  }
}

/**
 * Signs a request. `lifetimeMs` is what the caller may have; the CA's own end bounds it. Throws with the refusal's
 * text when the signer does not sign such requests. Returns the certificate, PEM.
 */
export async function signRequest(
  authority: CertificateAuthority,
  options: { signerName: string; requestPem: string; usages: readonly string[]; lifetimeMs: number },
  nowMs: number,
): Promise<string> {
  const request = await parseSigningRequest(options.requestPem)
  const refusal = signerRefusal(options.signerName, request, options.usages)
  if (refusal) throw new Error(refusal)
  const usages = options.usages.flatMap((usage): CertificateUsage[] =>
    usage === 'server auth' ? ['server'] : usage === 'client auth' ? ['client'] : [],
  )
  const names: AlternativeName[] = [
    ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...request.ipAddresses.filter((value) => isIP(value)).map((value) => ({ type: 'ip' as const, value })),
  ]
  const signed = await authority.sign(
    {
      subject: { commonName: request.commonName, organizations: request.organizations },
      names,
      usages,
      lifetimeMs: options.lifetimeMs,
    },
    request.publicKey,
    nowMs,
  )
  return pemOf(signed)
}

function exactUsages(usages: readonly string[], required: string): string | undefined {
  if (!usages.includes(required)) return `usages did not include ${required}`
  return unexpectedUsage(usages, [required, 'digital signature', 'key encipherment'])
}

function unexpectedUsage(usages: readonly string[], permitted: readonly string[]): string | undefined {
  const extra = usages.find((usage) => !permitted.includes(usage))
  return extra === undefined ? undefined : `usage ${extra} is not permitted for this signer`
}

function sameSet(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((one) => right.includes(one))
}
