import { beforeAll, expect, test } from 'vitest'
import { seededRandom } from '../lib/seeded-random.ts'
import { createAuthority, openAuthority, type CertificateAuthority } from '../pki/certificate-authority.ts'
import { generateKeyPair, signingAlgorithm } from '../pki/keys.ts'
import * as x509 from '../pki/x509.ts'
import { memoryProvider } from './cloud/testing/memory-provider.ts'
import { defaultControllers } from './default-controllers.ts'
import { allPerturbations, checkPerturbation, checkScenario, findIdle, type Scenario } from './testing/scenario.ts'
import { credentialScenario } from './testing/scenarios/credentials.ts'
import { cloudScenario, namespaceScenario, serviceScenario } from './testing/scenarios/services.ts'
import { storageScenario } from './testing/scenarios/storage.ts'
import { upkeepScenario } from './testing/scenarios/upkeep.ts'
import { autoscalingScenario, batchScenario, podScenario, workloadScenario } from './testing/scenarios/workloads.ts'

let requestPem = ''
const scenarios: Record<string, { of: () => Scenario; numRuns: number }> = {
  workloads: { of: () => workloadScenario, numRuns: 5 },
  'schedules and jobs': { of: () => batchScenario, numRuns: 5 },
  autoscaling: { of: () => autoscalingScenario, numRuns: 4 },
  'pods without a node': { of: () => podScenario, numRuns: 8 },
  services: { of: () => serviceScenario, numRuns: 15 },
  namespaces: { of: () => namespaceScenario, numRuns: 12 },
  storage: { of: () => storageScenario, numRuns: 15 },
  upkeep: { of: () => upkeepScenario, numRuns: 15 },
  "a provider's cloud": { of: () => cloudScenario, numRuns: 12 },
  credentials: { of: () => credentialScenario(requestPem), numRuns: 6 },
}

let authority: CertificateAuthority
beforeAll(async () => {
  const random = seededRandom(7)
  authority = await openAuthority(await createAuthority('test', Date.UTC(2026, 5, 1), random), random)
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: ['system:node:n9'] }],
    keys: await generateKeyPair(),
    signingAlgorithm,
  })
  requestPem = request.toString('pem')
})

test('there is a scenario for every controller', () => {
  const all = defaultControllers({
    caPem: 'PEM',
    resources: () => [],
    isAlive: () => true,
    authority,
    authorize: () => ({ verdict: 'allow', reason: '' }),
    issueSecretToken: async () => '',
    connectProvider: () => memoryProvider(),
  }).map(({ name }) => name)
  const covered = Object.values(scenarios).flatMap(({ of }) => of().controllers)
  expect(all.filter((name) => !covered.includes(name))).toEqual([])
  expect(covered.filter((name) => !all.includes(name))).toEqual([])
})

test.each(Object.entries(scenarios))(
  '%s: whatever was seen late, never or twice, all is in order at last, and then nothing is written, by no leader',
  (_name, { of, numRuns }) => checkScenario(of(), authority, numRuns),
  60_000,
)

test.each(
  allPerturbations.flatMap((perturbation) => Object.keys(scenarios).map((name) => [perturbation, name] as const)),
)(
  '%s, for each controller of %s: all is in order at last',
  (perturbation, name) => checkPerturbation(scenarios[name]!.of(), authority, perturbation),
  60_000,
)

test.each(Object.entries(scenarios))(
  '%s: every controller of the scenario has something to do in it',
  async (_name, { of }) => {
    expect(await findIdle(of(), authority)).toEqual([])
  },
  60_000,
)
