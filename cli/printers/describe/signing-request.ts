import type { CertificateSigningRequest } from '../../../src/api/kinds.ts'
import type { SigningRequest } from '../../../src/pki/signing-request.ts'
import { humanDuration } from '../../../src/lib/duration.ts'
import { formatLabels } from '../../../src/lib/selector.ts'
import { eventLines } from './events.ts'
import { type DescribeContext, fullTime, labelLines } from './lines.ts'

export interface SigningRequestContext extends DescribeContext {
  /** What the request's PKCS#10 part asks for. */
  asked: SigningRequest
}

/** Attributes after the common name and the serial number; they are shown where they are given. */
const attributes: readonly (readonly [string, string])[] = [
  ['O', 'Organization'],
  ['OU', 'Organizational Unit'],
  ['C', 'Country'],
  ['L', 'Locality'],
  ['ST', 'Province'],
  ['STREET', 'StreetAddress'],
  ['2.5.4.17', 'PostalCode'],
]

export function describeSigningRequest(request: CertificateSigningRequest, context: SigningRequestContext): string[] {
  const { metadata, spec } = request
  const { subject, dnsNames, emailAddresses, uris, ipAddresses } = context.asked
  const lists = [
    ['DNS Names', dnsNames],
    ['Email Addresses', emailAddresses],
    ['URIs', uris],
    ['IP Addresses', ipAddresses],
  ] as const
  const given = lists.filter(([, values]) => values.length > 0)
  return [
    `Name:\t${metadata.name}`,
    ...labelLines('Labels', metadata.labels),
    ...`Annotations:\t${formatLabels(metadata.annotations)}`.split('\n'),
    `CreationTimestamp:\t${fullTime(metadata.creationTimestamp)}`,
    `Requesting User:\t${spec.username ?? ''}`,
    ...(spec.signerName ? [`Signer:\t${spec.signerName}`] : []),
    ...(spec.expirationSeconds === undefined
      ? []
      : [`Requested Duration:\t${humanDuration(spec.expirationSeconds * 1000)}`]),
    `Status:\t${statusText(request)}`,
    'Subject:',
    `\tCommon Name:\t${subject['CN']?.join(', ') ?? ''}`,
    `\tSerial Number:\t${subject['2.5.4.5']?.join(', ') ?? ''}`,
    ...attributes.flatMap(([key, title]) => (subject[key]?.length ? [`\t${title}:\t${subject[key].join(', ')}`] : [])),
    ...(given.length > 0 ? ['Subject Alternative Names:'] : []),
    ...given.map(([title, values]) => `\t${title}:\t${values.join(', ')}`),
    ...eventLines(context),
  ]
}

/** `Pending`, `Approved`, `Denied`, with `Failed` and `Issued` added. */
function statusText({ status }: CertificateSigningRequest): string {
  const has = (type: string): boolean => status?.conditions?.some((one) => one.type === type) ?? false
  const state = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'
  return [state, ...(has('Failed') ? ['Failed'] : []), ...(status?.certificate ? ['Issued'] : [])].join(',')
}
