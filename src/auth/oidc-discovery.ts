import { serviceAccountAlgorithm } from '../pki/service-account-keys.ts'

export { jsonWebKeySet } from '../pki/service-account-keys.ts'

/** The document at /.well-known/openid-configuration (OIDC Discovery 1.0; upstream's service-account issuer discovery). */
export function openIdConfiguration(issuer: string, jwksUri = `${issuer}/openid/v1/jwks`) {
  return {
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [serviceAccountAlgorithm],
  }
}
