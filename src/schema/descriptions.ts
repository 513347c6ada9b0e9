/**
 * What the published documents say in words: of the fields that every object has. `kubectl explain` shows it, and
 * tools look for the beginnings of these sentences. Fields of single kinds are published without prose.
 */
const ofObjects: Readonly<Record<string, string>> = {
  apiVersion: 'APIVersion defines the group and version by which this representation of the object is to be read.',
  kind: 'Kind names the REST resource that this object represents, in CamelCase.',
  metadata: "Standard object's metadata.",
}

const objectMeta: Readonly<Record<string, string>> = {
  annotations: 'Annotations are text by key, set by tools, that the API neither interprets nor selects by.',
  creationTimestamp: 'CreationTimestamp is a timestamp of the moment when the server made the object. Read-only.',
  deletionGracePeriodSeconds: 'Seconds that the object has to end gracefully, set with deletionTimestamp. Read-only.',
  deletionTimestamp: 'DeletionTimestamp is the time after which the object will be gone, set by a deletion. Read-only.',
  finalizers: 'Finalizers must all be taken away, by those who set them, before a deleted object goes.',
  generateName: 'GenerateName is a prefix that the server completes to a unique name when name is empty.',
  generation: 'Generation counts the changes of the desired state. Read-only.',
  labels: 'Labels are text by key by which objects are organised and selected.',
  managedFields: 'ManagedFields say who set which field; kept by the server for server-side apply.',
  name: 'Name is unique within its namespace and resource, and cannot be changed.',
  namespace: 'Namespace is the space within which the name is unique; empty for objects of the whole cluster.',
  ownerReferences: 'OwnerReferences name the objects that this one depends on: when all are gone, so is this one.',
  resourceVersion: 'ResourceVersion changes with each change of the object; clients compare it and nothing else.',
  selfLink: 'SelfLink is a legacy field that the server no longer fills.',
  uid: 'UID tells this object apart from every other that has had its name. Read-only.',
}

const objectMetaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

/** Of a named definition itself. */
export function definitionDescription(name: string | undefined): string | undefined {
  return name === objectMetaName ? 'ObjectMeta is what every stored object has, whatever its kind.' : undefined
}

/** Of a field; `isKind`: the definition is served as a kind. */
export function fieldDescription(definition: string | undefined, isKind: boolean, field: string): string | undefined {
  const texts = definition === objectMetaName ? objectMeta : isKind ? ofObjects : {}
  return Object.hasOwn(texts, field) ? texts[field] : undefined
}
