import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { toKyaml } from './kyaml.ts'

it('stands as kubectl writes it', () => {
  const value = {
    args: ['a', '1'],
    ca: 'one\n  two "q"\n\n',
    end: 'one\ntwo',
    labels: { 'a.b/c': '1', on: 'y', '1.2.3': '', '1a': '', '12e3': '', '-dash': 'd', '/x': '' },
    mixed: [{ a: 1 }, 2],
    none: [],
    ports: [{ port: 80 }, {}, { port: null }],
  }
  expect(toKyaml(value)).toBe(String.raw`---
{
  args: [
    "a",
    "1",
  ],
  ca: "\
     one\n\
    \  two \"q\"\n\
     \n\
    ",
  end: "\
     one\n\
     two\
    ",
  labels: {
    a.b/c: "1",
    "on": "y",
    1.2.3: "",
    1a: "",
    "12e3": "",
    "-dash": "d",
    "/x": "",
  },
  mixed: [
    {
      a: 1,
    },
    2,
  ],
  none: [],
  ports: [{
    port: 80,
  }, {}, {
    port: null,
  }],
}
`)
})

it('is read as it was by any YAML reader', () => {
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: 'binary-ascii' }),
      fc.string({ unit: fc.constantFrom('a', ' ', '\n', '\t', '"', '\\', '\u00A0', 'ü') }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('null', 'y', '1', '1e3', '0x1', '1_0', '.5')), tie('value'), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
    ),
  })).value
  fc.assert(
    fc.property(value, (one) => {
      for (const version of ['1.1', '1.2'] as const) expect(parse(toKyaml(one), { version })).toEqual(one)
    }),
  )
})
