/**
 * Kubernetes' variable syntax in command, args, env and subPathExpr: `$(NAME)` is replaced, `$$` is a dollar sign, and
 * what is not defined stays as it was written (upstream third_party/forked/golang/expansion).
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let result = ''
  for (let at = 0; at < text.length; at++) {
    const next = text[at + 1]
    if (text[at] !== '$' || next === undefined) {
      result += text[at]
    } else if (next === '$') {
      result += '$'
      at++
    } else if (next === '(') {
      const end = text.indexOf(')', at + 2)
      if (end < 0) {
        result += '$('
        at++
        continue
      }
      const name = text.slice(at + 2, end)
      result += lookup(name) ?? `$(${name})`
      at = end
    } else {
      result += `$${next}`
      at++
    }
  }
  return result
}
