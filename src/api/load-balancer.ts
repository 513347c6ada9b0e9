/** On a LoadBalancer Service with an address of the pool: the node that answers for the address on its link. */
export const announcerAnnotation = 'stormo.dev/announced-by'

/** Whose `data.addresses` is the pool, such as `192.0.2.10-192.0.2.20, 198.51.100.0/28`; absent: nodes' own addresses. */
export const poolConfigMap = { namespace: 'kube-system', name: 'load-balancer' }
