import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { givenKubeconfigs, openCluster, type Cluster } from './cluster.ts'
import { installedKubectls, kubectlFor, type Kubectl, type KubectlResult } from './kubectl.ts'
import { deployment, service } from './manifests.ts'

/**
 * The verbs of kubectl, by every installed version: of a cluster of several nodes each version asks one node, the next
 * the next, and with STORMO_TEST_ALL each asks each.
 */
const binaries = await installedKubectls()
const nodes = Math.max(1, givenKubeconfigs.length)
const cases = binaries.flatMap((binary, at) =>
  Array.from({ length: nodes }, (_, node) => ({ ...binary, node: node + 1 })).filter(
    ({ node }) => process.env['STORMO_TEST_ALL'] === '1' || at % nodes === node - 1,
  ),
)
let cluster: Cluster

beforeAll(async () => {
  cluster = await openCluster()
})
afterAll(() => cluster.stop())

test('some kubectl is installed', () => expect(binaries.length).toBeGreaterThan(0))

// Side by side, each with a namespace and a cache of its own; what one case does goes step by step.
const step = (name: string, run: () => Promise<void>): void => test(name, { concurrent: false }, run)

describe.concurrent.each(cases)('kubectl $version, node $node', (binary) => {
  const namespace = `kubectl-${binary.version.replace('.', '-')}-${binary.node}`
  let kubectl: Kubectl
  let manifest: string
  let watching: ReturnType<Kubectl>
  const ok = async (args: string | readonly string[], input?: string): Promise<string> =>
    succeeded(await kubectl(args, input))
  const inNamespace = (args: string, input?: string) => ok(`-n ${namespace} ${args}`, input)

  beforeAll(async () => {
    const kubeconfig = givenKubeconfigs[binary.node - 1] ?? cluster.kubeconfig
    kubectl = kubectlFor(binary, kubeconfig, join(cluster.scratch, `cache-${namespace}`))
    manifest = join(cluster.scratch, `deployment-${namespace}.json`)
    await writeFile(manifest, JSON.stringify(deployment('web', 2)))
    await ok(`create namespace ${namespace}`)
  })
  afterAll(() => ok(`delete namespace ${namespace} --wait=false`))

  step('version and api-resources', async () => {
    expect(JSON.parse(await ok('version -o json'))).toMatchObject({ serverVersion: { major: '1' } })
    const resources = await ok('api-resources -o wide')
    expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment/m)
    expect(await ok('api-versions')).toContain('networking.k8s.io/v1')
  })

  step('create by generator sends what the server can read', async () => {
    expect(await inNamespace('create configmap settings --from-literal=color=blue')).toContain('created')
    expect(await inNamespace('create secret generic login --from-literal=user=me')).toContain('created')
    expect(await inNamespace('create serviceaccount robot')).toContain('created')
    expect(await inNamespace('create role reader --verb=get --resource=pods')).toContain('created')
    expect(await inNamespace('create job once --image=busybox -- true')).toContain('created')
    expect(await inNamespace('create quota small --hard=pods=10')).toContain('created')
    expect(await inNamespace('get configmap settings -o jsonpath={.data.color}')).toBe('blue')
    expect((await kubectl(`-n ${namespace} create configmap settings`)).stderr).toContain('already exists')
  })

  step('apply is idempotent, client-side and server-side', async () => {
    expect(await inNamespace(`apply -f ${manifest}`)).toContain('created')
    expect(await inNamespace(`apply -f ${manifest}`)).toContain('unchanged')
    expect(await inNamespace('apply --server-side -f -', JSON.stringify(service('web')))).toContain(
      'serverside-applied',
    )
    expect(await inNamespace('apply --server-side -f -', JSON.stringify(service('web')))).toContain(
      'serverside-applied',
    )
    const managers = await inNamespace(
      'get service web --show-managed-fields -o jsonpath={.metadata.managedFields[*].operation}',
    )
    expect(managers).toBe('Apply')
  })

  step('server-side apply names the owner of a field in conflict', async () => {
    await inNamespace('scale deployment web --replicas=5')
    const refused = await kubectl(`-n ${namespace} apply --server-side --field-manager=other -f ${manifest}`)
    expect(refused.stderr).toContain('conflict')
    expect(refused.stderr).toContain('.spec.replicas')
    expect(await inNamespace(`apply --server-side --force-conflicts --field-manager=other -f ${manifest}`)).toContain(
      'serverside-applied',
    )
    expect(await inNamespace('get deployment web -o jsonpath={.spec.replicas}')).toBe('2')
  })

  step('get prints tables, wide, yaml, json, names, custom columns', async () => {
    expect(await inNamespace('get deployments')).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE/)
    expect(await inNamespace('get deployment web -o wide')).toMatch(/CONTAINERS +IMAGES +SELECTOR/)
    expect(await inNamespace('get deploy web -o yaml')).toContain('kind: Deployment')
    expect(JSON.parse(await inNamespace('get deploy -o json'))).toMatchObject({
      kind: 'List',
      items: [{ kind: 'Deployment' }],
    })
    expect(await inNamespace('get all -o name')).toContain('deployment.apps/web')
    expect(await inNamespace('get deploy -l app=web --no-headers -o custom-columns=N:.metadata.name')).toBe('web\n')
    expect((await kubectl(`-n ${namespace} get deploy nosuch`)).stderr).toBe(
      'Error from server (NotFound): deployments.apps "nosuch" not found\n',
    )
    expect(await inNamespace('get configmaps --field-selector metadata.name=settings -o name')).toBe(
      'configmap/settings\n',
    )
  })

  step('get -w begins, and lists first', async () => {
    watching = kubectl(`-n ${namespace} get configmap -w --output-watch-events --request-timeout=6s -o name`)
    // Whenever the watch began: this shows either in its list or as an event.
    await inNamespace('create configmap watched')
  })

  step('describe and explain', async () => {
    expect(await inNamespace('describe deployment web')).toMatch(/Replicas: +2 desired/)
    expect(await inNamespace('describe service web')).toMatch(/Selector: +app=web/)
    expect(await ok('explain deployment.spec.strategy')).toContain('rollingUpdate')
    expect(await ok('explain pod --recursive')).toContain('terminationGracePeriodSeconds')
  })

  step('label, annotate, patch of each kind, edit, replace', async () => {
    expect(await inNamespace('label deployment web tier=front')).toContain('labeled')
    expect(await inNamespace('annotate deployment web note=hello')).toContain('annotated')
    expect(await inNamespace('label deployment web tier-')).toContain('unlabeled')
    const strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"nginx:2"}]}}}}'
    await inNamespace(`patch deployment web -p ${strategic}`)
    await inNamespace('patch deployment web --type=merge -p {"spec":{"replicas":4}}')
    await inNamespace('patch deployment web --type=json -p [{"op":"replace","path":"/spec/replicas","value":3}]')
    expect(
      await inNamespace('get deployment web -o jsonpath={.spec.replicas}/{.spec.template.spec.containers[0].image}'),
    ).toBe('3/nginx:2')
    // What no controller writes to between get and replace.
    const current = await inNamespace('get configmap settings -o json')
    expect(await inNamespace('replace -f -', current)).toContain('replaced')
    await inNamespace('annotate configmap settings note=changed')
    const refused = await kubectl(`-n ${namespace} replace -f -`, current)
    expect(refused.stderr).toContain('the object has been modified')
  })

  step('scale, rollout status, history, undo, restart', async () => {
    expect(await inNamespace('scale deployment web --replicas=2')).toContain('scaled')
    expect(await inNamespace('rollout status deployment web --timeout=30s')).toContain('successfully rolled out')
    expect(await inNamespace('set image deployment/web web=nginx:3')).toContain('image updated')
    expect(await inNamespace('rollout status deployment web --timeout=30s')).toContain('successfully rolled out')
    expect(await inNamespace('rollout history deployment web')).toMatch(/REVISION +CHANGE-CAUSE/)
    expect(await inNamespace('rollout undo deployment web')).toContain('rolled back')
    expect(await inNamespace('rollout restart deployment web')).toContain('restarted')
    expect(await inNamespace('get deployment web -o jsonpath={.spec.template.spec.containers[0].image}')).toBe(
      'nginx:2',
    )
  })

  step('diff, dry run and validation', async () => {
    const changed = JSON.stringify(deployment('web', 7))
    const diff = await kubectl(`-n ${namespace} diff -f -`, changed)
    expect(diff.code).toBe(1)
    expect(diff.stdout).toMatch(/^\+ +replicas: 7/m)
    expect(await inNamespace('apply --dry-run=server -f -', JSON.stringify(service('ghost')))).toContain(
      '(server dry run)',
    )
    expect((await kubectl(`-n ${namespace} get service ghost`)).code).toBe(1)
    const unknown = await kubectl(`-n ${namespace} apply -f -`, changed.replace('"replicas"', '"replikas"'))
    expect(unknown.stderr).toContain('unknown field "spec.replikas"')
    const invalid = await kubectl(`-n ${namespace} create -f -`, JSON.stringify(service('Not_A_Name')))
    expect(invalid.stderr).toContain('is invalid: metadata.name: Invalid value')
  })

  step('wait, auth, raw', async () => {
    expect(await inNamespace('wait deployment web --for=condition=Available --timeout=20s')).toContain('condition met')
    expect(await inNamespace('get --raw /readyz')).toBe('ok')
    expect(await inNamespace('delete configmap watched')).toContain('deleted')
    expect(await inNamespace('wait configmap watched --for=delete --timeout=20s')).toBe('')
  })

  // It has watched for its full time while the others did their part.
  step('get -w saw what happened', async () => {
    expect((await watching).stdout).toContain('configmap/watched')
  })

  step('delete by name, selector, cascade and all', async () => {
    await inNamespace('create configmap one')
    await inNamespace('label configmap one group=a')
    expect(await inNamespace('delete configmap -l group=a')).toContain('"one" deleted')
    expect(await inNamespace('delete job once --cascade=background --wait=false')).toContain('deleted')
    expect(await inNamespace(`delete -f ${manifest} --wait=false`)).toContain('deleted')
    expect(await inNamespace('delete secrets,services --all')).toContain('"web" deleted')
  })
})

function succeeded({ code, stdout, stderr }: KubectlResult): string {
  if (code !== 0) throw new Error(`kubectl failed with ${code}: ${stderr}${stdout}`)
  return stdout
}
