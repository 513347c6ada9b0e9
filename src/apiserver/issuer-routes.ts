import { jsonWebKeySet, openIdConfiguration } from '../auth/oidc-discovery.ts'
import type { OpenServiceAccountKey } from '../pki/service-account-keys.ts'
import { errors } from '../api/status-error.ts'
import type { ExtensionRequest, ExtensionRoute } from './extension-routes.ts'

/**
 * What relying parties check service-account tokens by (upstream's ServiceAccountIssuerDiscovery). For those whom RBAC
 * lets: system:service-account-issuer-discovery.
 */
export function issuerRoutes({
  issuer,
  keys,
}: {
  issuer: string
  keys: readonly OpenServiceAccountKey[]
}): ExtensionRoute[] {
  const document = (path: string, contentType: string, body: object): ExtensionRoute => ({
    path,
    async handler({ method }: ExtensionRequest) {
      if (method !== 'GET' && method !== 'HEAD') throw errors.methodNotAllowed('the document can only be read')
      return { code: 200, contentType, body: Buffer.from(JSON.stringify(body)) }
    },
  })
  return [
    document('/.well-known/openid-configuration', 'application/json', openIdConfiguration(issuer)),
    document('/openid/v1/jwks', 'application/jwk-set+json', jsonWebKeySet(keys)),
  ]
}
