import { expect, test } from 'vitest'
import { loopbackUser } from '../auth/user.ts'
import { reviewResources } from './review-resources.ts'

test('who asks about itself is told when', async () => {
  const unused = {} as never
  const review = reviewResources(unused, unused, [], { nowMs: () => Date.UTC(2026, 0, 2) })
  const ask = review['selfsubjectreviews.authentication.k8s.io']!
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview', metadata: {} }
  expect(await ask(body, { user: loopbackUser } as never, unused)).toMatchObject({
    metadata: { creationTimestamp: '2026-01-02T00:00:00Z' },
    status: { userInfo: { username: loopbackUser.username } },
  })
})
