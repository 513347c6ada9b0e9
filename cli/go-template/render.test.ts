import { describe, expect, it } from 'vitest'
import { renderGoTemplate } from './render.ts'

const data = {
  metadata: { name: 'web', labels: { app: 'web', tier: 'front' } },
  items: [
    { metadata: { name: 'a' }, ready: true, n: 1 },
    { metadata: { name: 'b' }, ready: false, n: 2 },
  ],
  token: 'aGk=',
}

describe('a Go template', () => {
  it.each([
    ['text only', 'text only'],
    ['{{.metadata.name}}', 'web'],
    ['{{.metadata.nope}}', '<no value>'],
    ['{{.metadata.nope.deeper}}', '<no value>'],
    ['{{.metadata.labels}}', 'map[app:web tier:front]'],
    ['{{range .items}}{{.metadata.name}}{{"\\n"}}{{end}}', 'a\nb\n'],
    ['{{range $i, $p := .items}}{{if $i}},{{end}}{{$p.metadata.name}}{{end}}', 'a,b'],
    ['{{range .nope}}x{{else}}none{{end}}', 'none'],
    ['{{range $k, $v := .metadata.labels}}{{$k}}={{$v}};{{end}}', 'app=web;tier=front;'],
    ['{{len .items}} {{(index .items 1).metadata.name | printf "%s-%s" "x"}}', '2 x-b'],
    ['{{range .items}}{{if eq .metadata.name "a"}}A{{else if not .ready}}B{{end}}{{end}}', 'AB'],
    ['{{if and .items (ne .metadata.name "db") true}}yes{{end}}', 'yes'],
    ['{{with .metadata}}{{.name}}{{else}}no{{end}}', 'web'],
    ['{{index .metadata.labels "app"}}', 'web'],
    ['{{.token | base64decode}}', 'hi'],
    ['{{- /* a comment */ -}} x {{- "y" -}} z', 'xyz'],
    ['{{$n := 0}}{{range .items}}{{$n = .n}}{{end}}{{$n}}', '2'],
    ['{{range .items}}{{if eq .n 2}}{{break}}{{end}}{{.n}}{{end}}', '1'],
    ['{{define "t"}}<{{.}}>{{end}}{{template "t" .metadata.name}}', '<web>'],
    ['{{printf "%5.1f|%-4s|%04d|%q" 1.25 "a" 7 "q"}}', '  1.3|a   |0007|"q"'],
    ['{{exists . "metadata" "name"}} {{exists . "nope" "x"}}', 'true false'],
    ['{{`raw`}} {{print 1 "a"}}', 'raw 1a'],
  ])('%s', (text, expected) => expect(renderGoTemplate(text, data)).toBe(expected))

  it.each([
    ['{{.items', /unclosed action/],
    ['{{nope}}', /function "nope" not defined/],
    ['{{range .items}}', /unexpected EOF/],
    ['{{end}}', /unexpected \{\{end\}\}/],
    ['{{index .items 9}}', /index out of range/],
    ['{{$x}}', /undefined variable "\$x"/],
    ['{{define "t"}}{{template "t" .}}{{end}}{{template "t" .}}', /maximum template depth/],
  ])('%s is refused', (text, expected) => expect(() => renderGoTemplate(text, data)).toThrow(expected))
})
