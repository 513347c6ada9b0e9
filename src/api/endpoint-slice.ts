/** Labels of EndpointSlices (discovery.k8s.io/v1): the Service that one is of, and who keeps it. */
export const serviceNameLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
