import type { Secret } from '../../api/kinds.ts'
import { refs } from '../../client/client.ts'
import type { Change } from '../../client/informer.ts'
import type { KubeObject } from '../../api/object.ts'
import type { View } from '../controller.ts'
import { type CloudFeature, cloudFeatures, type CloudProvider } from './provider.ts'

/** The Secret that names the user's own provider: one for the cluster, since any node may lead it. */
export const providerSecret = { namespace: 'kube-system', name: 'cloud-provider' } as const

/** spec.loadBalancerClass of what is the provider's; none is its too. */
export const externalClass = 'stormo.dev/external'

/** How the provider is reached, and what it is asked for. */
export interface ProviderConfig {
  /** `https://host[:port][/path]`, without a slash at its end. */
  readonly server: string
  readonly caPem?: string
  readonly token?: string
  readonly clientCertPem?: string
  readonly clientKeyPem?: string
  /** Of one request. */
  readonly timeoutMs: number
  readonly features: ReadonlySet<CloudFeature>
}

export type ConnectProvider = (config: ProviderConfig) => CloudProvider

const defaultFeatures: readonly CloudFeature[] = ['instances', 'load-balancers']
const defaultTimeoutMs = 10_000
const maxTimeoutMs = 60_000

export const isProviderSecret = ({ namespace, name }: Pick<Change<KubeObject>, 'namespace' | 'name'>): boolean =>
  namespace === providerSecret.namespace && name === providerSecret.name

const secretIn = (view: View): Secret | undefined =>
  view.get<Secret>(refs.secrets, providerSecret.namespace, providerSecret.name)

/** The provider makes load balancers, and so those are its that name no class. */
export function hasExternalLoadBalancers(view: View): boolean {
  const secret = secretIn(view)
  return secret !== undefined && featuresOf(textOf(secret, 'features')).includes('load-balancers')
}

/** Undefined without a provider. Throws an Error that names the key of the Secret which cannot be used. */
export function readProviderConfig(secret: Secret): ProviderConfig {
  const text = (key: string): string => textOf(secret, key)
  const optional = (key: string, value: string) => (value ? { [key]: value } : {})
  const seconds = text('timeoutSeconds') || String(defaultTimeoutMs / 1000)
  const timeoutMs = Number(seconds) * 1000
  if (!(timeoutMs > 0 && timeoutMs <= maxTimeoutMs))
    throw wrong('timeoutSeconds', seconds, `must be a number up to ${maxTimeoutMs / 1000}`)
  const names = featureNames(text('features'))
  const unknown = names.find((name) => !(cloudFeatures as readonly string[]).includes(name))
  if (unknown !== undefined) throw wrong('features', unknown, `must be of ${cloudFeatures.join(', ')}`)
  const [clientCertPem, clientKeyPem] = [text('tls.crt'), text('tls.key')]
  if (Boolean(clientCertPem) !== Boolean(clientKeyPem)) throw wrong('tls.crt', '…', 'needs tls.key, and the reverse')
  return {
    server: checkedServer(text('server')),
    ...optional('caPem', text('ca.crt')),
    ...optional('token', text('token').trim()),
    ...optional('clientCertPem', clientCertPem),
    ...optional('clientKeyPem', clientKeyPem),
    timeoutMs,
    features: new Set(featuresOf(text('features'))),
  }
}

/** Connects as often as the Secret changes. Owned by one controller for one term of leadership. */
export function providerOf(connect: ConnectProvider): (view: View) => CloudProvider | undefined {
  let known: { secret: Secret; provider: CloudProvider } | undefined
  return (view) => {
    const secret = secretIn(view)
    if (!secret || secret.metadata.deletionTimestamp) known = undefined
    else if (known?.secret !== secret) known = { secret, provider: connect(readProviderConfig(secret)) }
    return known?.provider
  }
}

function textOf(secret: Secret, key: string): string {
  const value = secret.data?.[key]
  return value ? Buffer.from(value, 'base64').toString('utf8') : ''
}

const featureNames = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean)

function featuresOf(text: string): readonly CloudFeature[] {
  const names = featureNames(text)
  return names.length === 0 ? defaultFeatures : cloudFeatures.filter((feature) => names.includes(feature))
}

function checkedServer(server: string): string {
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:')
    throw wrong('server', server, 'must be an https URL')
  return server.trim().replace(/\/+$/, '')
}

const wrong = (key: string, value: string, wanted: string): Error =>
  new Error(`Secret ${providerSecret.namespace}/${providerSecret.name}: ${key}: ${JSON.stringify(value)}: ${wanted}`)
