import type { IncomingMessage } from 'node:http'

/** The JSON documents of a watch, one a line. Ends when the server ends it. */
export async function* jsonLines<T>(answer: IncomingMessage): AsyncGenerator<T> {
  let rest = ''
  answer.setEncoding('utf8')
  for await (const chunk of answer as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') yield JSON.parse(line) as T
  }
}
