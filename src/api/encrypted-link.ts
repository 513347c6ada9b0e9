/** On a Node: the public key by which others encrypt what they send to its pods (WireGuard, base64). */
export const publicKeyAnnotation = 'stormo.dev/wireguard-public-key'

/** On a Node: `untrusted` when what passes the link of its address has to be encrypted. */
export const linkTrustAnnotation = 'stormo.dev/link-trust'
