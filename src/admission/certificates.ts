import type { Authorize } from '../api/authorizer.ts'
import type { CertificateSigningRequest } from '../api/kinds.ts'
import { errors } from '../api/status-error.ts'
import { parseSigningRequest, signerNames } from '../pki/signing-request.ts'
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts'

const isRequest = ({ ref }: AdmissionAttributes): boolean =>
  ref.group === 'certificates.k8s.io' && ref.resource === 'certificatesigningrequests'

/** Rights on signers are given by name or for all signers of a domain (`example.com/*`). */
function mayUseSigner(authorize: Authorize, { user }: AdmissionAttributes, verb: string, signerName: string): boolean {
  const signer = { user, verb, group: 'certificates.k8s.io', version: 'v1', resource: 'signers', namespace: '' }
  const [domain] = signerName.split('/')
  return [signerName, `${domain}/*`].some((name) => authorize({ ...signer, name }).verdict === 'allow')
}

/** Approving and denying takes the verb `approve` on the signer. */
export function certificateApproval(authorize: Authorize): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    validates(attributes) {
      if (!isRequest(attributes) || attributes.subresource !== 'approval' || attributes.operation !== 'UPDATE') return
      const { signerName } = (attributes.oldObject as CertificateSigningRequest).spec
      if (mayUseSigner(authorize, attributes, 'approve', signerName)) return
      const why = `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`
      throw errors.forbidden(attributes.ref, attributes.name, why)
    },
  }
}

/** Writing the certificate, or that it failed, takes the verb `sign` on the signer. */
export function certificateSigning(authorize: Authorize): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    validates(attributes) {
      if (!isRequest(attributes) || attributes.subresource !== 'status' || attributes.operation !== 'UPDATE') return
      const old = attributes.oldObject as CertificateSigningRequest
      const written = attributes.object as CertificateSigningRequest
      const outcome = (one: CertificateSigningRequest): string =>
        JSON.stringify([one.status?.certificate, one.status?.conditions?.some(({ type }) => type === 'Failed')])
      if (outcome(old) === outcome(written)) return
      const { signerName } = old.spec
      if (mayUseSigner(authorize, attributes, 'sign', signerName)) return
      const why = `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`
      throw errors.forbidden(attributes.ref, attributes.name, why)
    },
  }
}

/** Nobody becomes system:masters by a certificate request: that group cannot be taken away again. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  async validates(attributes) {
    if (!isRequest(attributes) || attributes.subresource !== '' || attributes.operation !== 'CREATE') return
    const { spec } = attributes.object as CertificateSigningRequest
    if (spec.signerName !== signerNames.apiserverClient) return
    let organizations: string[]
    try {
      const request = await parseSigningRequest(Buffer.from(spec.request, 'base64').toString('utf8'))
      organizations = request.organizations
    } catch (error) {
      throw errors.forbidden(
        attributes.ref,
        attributes.name,
        `unable to parse spec.request: ${(error as Error).message}`,
      )
    }
    if (!organizations.includes('system:masters')) return
    const why = `use of ${spec.signerName} signer with system:masters group is not allowed`
    throw errors.forbidden(attributes.ref, attributes.name, why)
  },
}
