import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { proxiedLink, rewriteLinks } from './proxy-links.ts'

const prefix = '/api/v1/namespaces/default/pods/web/proxy'
const place = { prefix, scheme: 'https', host: 'api.example:6443', backend: '10.244.0.7:80' }

test.each([
  ['/rewriteme', `${prefix}/rewriteme`],
  ['/', `${prefix}/`],
  ['/a?b=/c#d', `${prefix}/a?b=/c#d`],
  ['relative/path', 'relative/path'],
  ['', ''],
  ['?q', '?q'],
  ['http://elsewhere.example/x', 'http://elsewhere.example/x'],
  ['http://10.244.0.7:80/x', `https://api.example:6443${prefix}/x`],
  ['http://api.example:6443/x', `https://api.example:6443${prefix}/x`],
  [`${prefix}/x`, `${prefix}/x`],
  ['mailto:a@b.example', 'mailto:a@b.example'],
])('link %s becomes %s', (link, seen) => expect(proxiedLink(link, place)).toBe(seen))

async function rewritten(chunks: readonly string[]): Promise<string> {
  const stream = rewriteLinks(place)
  for (const chunk of chunks) stream.write(Buffer.from(chunk))
  stream.end()
  return text(stream)
}

test.each([
  ['<a href="/x">test</a>', `<a href="${prefix}/x">test</a>`],
  ["<A class=b HREF='/x'>", `<A class=b HREF='${prefix}/x'>`],
  ['<img src=/x>', `<img src=${prefix}/x>`],
  ['<a title="/x>" href="/y">', `<a title="/x>" href="${prefix}/y">`],
  ['<p href="/x">1 < 2 && "/x"', '<p href="/x">1 < 2 && "/x"'],
  ['<!-- <a href="/x"> --><a href="/y">', `<!-- <a href="/x"> --><a href="${prefix}/y">`],
  [
    '<script src="/x">if (a<b) w(\'<a href="/y">\')</script>',
    `<script src="${prefix}/x">if (a<b) w('<a href="/y">')</script>`,
  ],
  ['grüße <a href="/ü">', `grüße <a href="${prefix}/ü">`],
  ['<a href="/never closed', '<a href="/never closed'],
])('%s', async (html, seen) => expect(await rewritten([html])).toBe(seen))

test('however the bytes are cut, the result is the same', async () => {
  const html = '<html><!-- <a href="/n"> --><a href="/x">1 < 2</a><script>a<b</script><img src=\'/y\'><'
  const whole = await rewritten([html])
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(html.length), { maxLength: 6 }), async (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), html.length]
      expect(await rewritten(at.slice(1).map((end, index) => html.slice(at[index], end)))).toBe(whole)
    }),
  )
})
