/** The tag of an image reference; `latest` when neither a tag nor a digest is written. */
export function imageTag(image: string): string {
  const [name = '', digest] = image.split('@', 2)
  const last = name.slice(name.lastIndexOf('/') + 1)
  const colon = last.indexOf(':')
  if (colon >= 0) return last.slice(colon + 1)
  return digest === undefined ? 'latest' : ''
}

/** `latest` moves, so it is asked for each time; every other reference is pulled once. */
export const pullPolicyOf = (image: string): string => (imageTag(image) === 'latest' ? 'Always' : 'IfNotPresent')
