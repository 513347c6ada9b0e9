/** Files that the lines below name. */
export const files: Readonly<Record<string, string>> = {
  'a.txt': 'hello\n',
  'env.txt': 'X=1\nY=two\n',
  'columns.txt': 'NAME IMAGE\nmetadata.name .spec.containers[0].image\n',
  'template.txt': '{{range .items}}{{.metadata.name}} {{end}}',
  'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: pods}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: stormo-hello:1
      command: [sh, -c, "echo started; trap exit TERM; while :; do sleep 1; done"]
`,
  'rbac.yaml': `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: watcher, namespace: NS}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: watchers, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: watcher}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: ann}]
`,
  'web.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: stormo-hello:1
          command: [sh, -c, "echo line1; echo line2; trap exit TERM; while :; do sleep 1; done"]
          env: [{name: A, value: b}]
          resources: {requests: {cpu: 10m}, limits: {memory: 64Mi}}
        - name: side
          image: stormo-hello:1
          command: [sh, -c, "echo side; trap exit TERM; while :; do sleep 1; done"]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
`,
}

/** Each is said once by each program, in this order; what is said and the exit code must be the same. */
export const changes: readonly string[] = [
  'create namespace NS',
  'apply -f web.yaml',
  'apply -f web.yaml',
  'create -f pod.yaml',
  'create -f pod.yaml',
  'create configmap settings --from-literal=a=b --from-file=a.txt --from-env-file=env.txt',
  'create configmap settings --from-literal=a=b --from-file=a.txt',
  'create secret generic keys --from-literal=user=admin',
  'create serviceaccount robot',
  'create role reader --verb=get,list --resource=pods,deployments.apps',
  'create rolebinding readers --role=reader --serviceaccount=NS:robot --user=ann',
  'create job once --image=stormo-hello:1 -- true',
  'create quota all --hard=pods=20',
  'create pdb web --selector=app=web --min-available=1',
  'create ingress web --rule=foo.example/bar*=web:80',
  'create service clusterip plain --tcp=80:8080',
  'expose deployment/web --port=80 --name=exposed',
  'autoscale deployment web --min=1 --max=3 --name=scaler',
  'rollout status deployment/web --timeout=60s',
  'wait --for=condition=Ready pod/one --timeout=30s',
  'label pod one tier=front',
  'label pod one tier=back',
  'label pod one tier=back --overwrite',
  'label pod one tier-',
  'label pod one tier-',
  'annotate pods -l app=pods note=x',
  'annotate pod one note-',
  'scale deployment/web --replicas=2',
  'scale deployment/web --replicas=1 --current-replicas=9',
  'scale -f web.yaml --replicas=1 --current-replicas=2 -o name',
  'set image deployment/web main=stormo-hello:1',
  'set image deployment/web nope=x',
  'set env deployment/web B=c',
  'set env deployment/web --list',
  'set env deployment/web --from=configmap/settings --keys=a --prefix=S_',
  'set resources deployment/web -c main --limits=memory=32Mi',
  'set selector service/plain app=other',
  'set serviceaccount deployment/web robot',
  'set subject rolebinding readers --group=all',
  'rollout pause deployment/web',
  'rollout restart deployment/web',
  'rollout resume deployment/web',
  `patch deployment web -p '{"metadata":{"labels":{"x":"y"}}}'`,
  // Of an object that nobody else changes meanwhile: whether there was a change is said of the whole of it.
  `patch configmap settings -p '{"metadata":{"labels":{"x":"y"}}}'`,
  `patch configmap settings --type=merge -p '{"metadata":{"labels":{"x":"y"}}}'`,
  `patch deployment web --type=json -p '[{"op":"remove","path":"/metadata/labels/x"}]'`,
  'replace -f pod.yaml --dry-run=server',
  'apply view-last-applied service/web',
  'edit configmap settings',
  'run extra --image=stormo-hello:1 --restart=Never --command -- true',
  'delete pod extra --now',
  'delete pod nonesuch --ignore-not-found',
  'auth reconcile -f NS.rbac.yaml',
  'auth reconcile -f NS.rbac.yaml',
  'auth reconcile -f NS.rbac.yaml --dry-run=client',
  'delete role,rolebinding --all',
  'delete pod one --dry-run=client',
  'delete pod one --dry-run=server -o name',
  'delete pod one --now --grace-period=3',
  `expose deployment/web --port=80 --name=sticky --overrides='{"spec":{"sessionAffinity":"ClientIP"}}'`,
  'apply -f pod.yaml --force --server-side',
  'config --kubeconfig=NS.config set-cluster a --server=https://a.example --insecure-skip-tls-verify=true',
  'config --kubeconfig=NS.config set-credentials ann --token=secret',
  'config --kubeconfig=NS.config set-context one --cluster=a --user=ann --namespace=x',
  'config --kubeconfig=NS.config use-context one',
  'config --kubeconfig=NS.config rename-context one two',
  'config --kubeconfig=NS.config set clusters.a.tls-server-name b.example',
  'config --kubeconfig=NS.config unset users.ann.token',
  'config --kubeconfig=NS.config view --minify',
  'config --kubeconfig=NS.config get-contexts',
  'config --kubeconfig=NS.config delete-user nobody',
  'config --kubeconfig=NS.config delete-context two',
]

/** Said in any order, after the changes. */
export const views: readonly string[] = [
  'get pods -l app=pods',
  'get pods one -o wide',
  'get pod one -o yaml',
  'get pod one -o json',
  'get deployments,services -o name',
  'get pods -l app=pods --show-labels',
  'get pods -l app=pods -L app --no-headers',
  `get pods -l app=pods -o jsonpath='{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}'`,
  `get pods -l app=none -o jsonpath='{.items[*].metadata.name}'`,
  'get pods -l app=pods -o custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image,NONE:.metadata.nope',
  'get pods -l app=pods -o custom-columns-file=columns.txt',
  `get configmaps --sort-by=.metadata.name -o go-template='{{range $i, $c := .items}}{{if $i}},{{end}}{{$c.metadata.name}}{{end}}'`,
  'get pods -l app=pods -o go-template-file=template.txt',
  `get secret keys -o go-template='{{.data.user | base64decode}}'`,
  'get pods --field-selector metadata.name=one -o name',
  'get pods -l app=none',
  'get pod nonesuch',
  'get nonesuch',
  'get pod one nonesuch -o name',
  'get pods -o nope',
  'get pods --nope',
  'get pods --context=nope',
  'get --raw /healthz',
  'get configmap settings -o yaml',
  'describe pod one --show-events=false',
  'describe service plain',
  'describe configmap settings',
  'describe secret keys',
  'describe quota all',
  'describe pod nonesuch',
  'describe node e2e-1 | head -3',
  'logs one',
  'logs deployment/web -c side',
  'logs one --tail=1 --timestamps',
  'logs one --previous',
  'exec one -- echo hi',
  `exec one -- sh -c 'echo out; echo err >&2; exit 3'`,
  'events --for pod/one --types=Warning',
  'create deployment draft --image=a --port=80 --dry-run=client -o yaml',
  'create deployment draft --image=a --dry-run=client -o json',
  'create deployment draft',
  'create cronjob draft --image=a --schedule="0 0 * * *" --dry-run=client -o yaml',
  'create job draft --image=a --dry-run=client -o yaml -- sh -c "echo hi"',
  'create service nodeport draft --tcp=80 --dry-run=client -o yaml',
  'create clusterrole draft --verb=get --non-resource-url=/healthz --dry-run=client -o yaml',
  'create deployment web --image=a',
  'create token nonesuch',
  'run draft --image=a --env=A=b --labels=x=y --port=80 --dry-run=client -o yaml -- argument',
  'run draft',
  'explain pods',
  'explain pod.spec.containers',
  'explain service.spec.type',
  'explain pod.spec.affinity --recursive',
  'api-resources --api-group=apps',
  'api-resources --namespaced=false -o name',
  'api-versions',
  'auth can-i get pods',
  'auth can-i get nodes --as=ann',
  'auth whoami',
  'config current-context',
  'config get-contexts -o name',
  'rollout history pod/one',
  'rollout status deployment/nonesuch',
  'top nodes --no-headers | wc -l',
  'wait --for=jsonpath={.status.phase}=Running pod/one --timeout=5s',
  'wait --for=delete pod/one --timeout=1s',
  'wait --for=condition=Ready pod/one -o name',
  'wait --for=create pod/one --timeout=5s',
  'get pods -l app=pods --sort-by=.metadata.name --chunk-size=1',
  'logs one --since-time=2000-01-01T00:00:00Z',
  'rollout status deployment/web --timeout=30s',
  'top pods one --sum --no-headers | wc -l',
  'drain nonesuch',
  'kustomize nonesuch > /dev/null',
  `run draft --image=a --overrides='{"spec":{"nodeName":"n"}}' --override-type=strategic --dry-run=client -o yaml`,
  'create priorityclass draft --value=5 --dry-run=client -o yaml',
  'create secret tls draft --cert=a.txt --key=a.txt',
  'certificate approve nonesuch',
  'cluster-info',
  'taint pods one a=b:NoSchedule',
  'cp a.txt one:/tmp/a.txt',
]
