import type { CertificateSigningRequest } from '../../src/api/kinds.ts'
import { type CommandDefinition, type Invocation, option, UsageError } from '../command.ts'
import { type ObjectPatch, patchObjects, patchOptions } from '../patch-objects.ts'

type Verdict = 'Approved' | 'Denied'

const verdictCommand = (name: 'approve' | 'deny', verdict: Verdict, summary: string): CommandDefinition => ({
  name,
  arguments: '[name...]',
  summary,
  options: [...patchOptions, { flags: '--force', summary: 'say it again, with a new time' }],
  run(invocation) {
    const hasFiles = option.list(invocation, 'filename').length > 0 || invocation.options['kustomize'] !== undefined
    if (!hasFiles && invocation.args.length === 0)
      throw new UsageError('one or more CSRs must be specified as <name> or -f <filename>')
    const args = hasFiles ? [] : ['certificatesigningrequests.certificates.k8s.io', ...invocation.args]
    return patchObjects(
      { ...invocation, args },
      {
        fieldManager: `stormo-certificate`,
        patchOf: (object) => verdictPatch(invocation, object as CertificateSigningRequest, verdict, name),
        said: () => (verdict === 'Approved' ? 'approved' : 'denied'),
      },
    )
  },
})

/** The condition that the approval subresource takes; nothing where it stands already. */
function verdictPatch(
  invocation: Invocation,
  { metadata, status }: CertificateSigningRequest,
  verdict: Verdict,
  verb: string,
): ObjectPatch | undefined {
  const conditions = status?.conditions ?? []
  const other: Verdict = verdict === 'Approved' ? 'Denied' : 'Approved'
  if (conditions.some(({ type }) => type === other))
    throw new UsageError(`certificate signing request "${metadata.name}" is already ${other}`)
  if (conditions.some(({ type }) => type === verdict) && !option.flag(invocation, 'force')) return undefined
  const now = new Date().toISOString().replace(/\.\d+/, '')
  const said = {
    type: verdict,
    status: 'True',
    reason: verdict === 'Approved' ? 'KubectlApprove' : 'KubectlDeny',
    message: `This CSR was ${verdict === 'Approved' ? 'approved' : 'denied'} by stormo certificate ${verb}.`,
    lastUpdateTime: now,
  }
  const others = conditions.filter(({ type }) => type !== verdict)
  return { type: 'merge', subresource: 'approval', body: { status: { conditions: [...others, said] } } }
}

export const certificateCommand: CommandDefinition = {
  name: 'certificate',
  summary: 'Approve or deny requests for certificates',
  commands: [
    verdictCommand('approve', 'Approved', 'Let the certificate be signed'),
    verdictCommand('deny', 'Denied', 'Let the certificate not be signed'),
  ],
}
