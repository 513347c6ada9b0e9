import { expect, test } from 'vitest'
import type { Namespace } from '../../src/api/kinds.ts'
import { parentLabel } from '../../src/api/namespace-tree.ts'
import { drawTree } from './namespace.ts'

const namespace = (name: string, parent?: string): Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, ...(parent ? { labels: { [parentLabel]: parent } } : {}) },
})
const all = [
  namespace('org'),
  namespace('team-b', 'org'),
  namespace('team-a', 'org'),
  namespace('ci', 'team-a'),
  namespace('default'),
  namespace('lost', 'gone'),
]

test('a forest is drawn with its branches, orphans at the root', () => {
  expect(drawTree(all)).toBe(
    ['default', 'lost (parent gone is missing)', 'org', '├── team-a', '│   └── ci', '└── team-b', ''].join('\n'),
  )
  expect(drawTree(all, 'team-a')).toBe('team-a\n└── ci\n')
})

test('a cycle is drawn once, and said to be one', () => {
  expect(drawTree([namespace('a', 'b'), namespace('b', 'a')])).toBe('(cycle) a\n        └── b\n')
})
