/**
 * What `--help` says. Layer: cli; text only.
 */

export const HELP: Readonly<Record<string, string>> = {
  '': `headless-dns: a DNS server for Kubernetes headless services

Usage: headless-dns COMMAND [options]

Commands:
  serve            answer names from a cluster, or from manifest files
  query            ask a DNS server, as dig does
  check            check a configuration file and print what it comes to
  import-corefile  make a configuration of a Corefile of CoreDNS
  compare          ask this server and another the same questions, and say why they differ

headless-dns COMMAND --help tells more; headless-dns --version the version.
`,
  serve: `Usage: headless-dns serve [options]

Answers <service>.<namespace>.svc.cluster.local with the addresses of the ready pods.

Where the truth comes from (in a pod: the cluster it runs in, if nothing else is said):
  --demo                 the manifests in config/demo: something to try at once
  --manifests PATH       a file or folder of Kubernetes manifests, YAML or JSON; may be repeated
  --kubeconfig FILE      the cluster of a kubeconfig
  --context NAME         a context of that kubeconfig
  --in-cluster           the cluster this pod runs in

Where it listens:
  --listen ADDR:PORT     UDP and TCP; may be repeated (127.0.0.1:1053)
  --admin ADDR:PORT      /healthz, /readyz, /metrics; "off" for none (127.0.0.1:9153)

The rest:
  --config FILE          YAML; every key is in config/README.md; flags win over it
  --workers N            threads that answer over UDP, 1..60 (1)
  --transport NAME       auto, batch (recvmmsg, Linux) or portable (auto)
  --log-level LEVEL      debug, info, warn, error, silent (info)

Examples:
  headless-dns serve --demo
  headless-dns serve --manifests ./k8s --listen 127.0.0.1:5353
  headless-dns serve --kubeconfig ~/.kube/config
  kubectl get svc,endpointslices,pods -A -o yaml > cluster.yaml && headless-dns serve --manifests cluster.yaml
`,
  query: `Usage: headless-dns query NAME [TYPE] [--server ADDR:PORT] [--tcp]

Asks for NAME and prints the reply. TYPE is A if it is not given, and PTR if NAME is an address.
Over UDP, and again over TCP if the reply was cut; --tcp asks over TCP at once.
The exit status is 0 for any reply, 9 for none.

  --server ADDR:PORT     the server to ask (127.0.0.1:1053)
  --tcp                  ask over TCP

Examples:
  headless-dns query my-headless-service.default.svc.cluster.local
  headless-dns query _sql._tcp.db.default.svc.cluster.local SRV --server 127.0.0.1:5353
  headless-dns query 10.244.0.5
`,
  compare: `Usage: headless-dns compare --against ADDR[:PORT] [options]

Asks a running headless-dns and another server, as a rule CoreDNS, the same questions: every name that headless-dns holds,
addresses' names, what pods' search paths make of names, and what lists and query logs say. Says how the answers differ, by
cause; what CoreDNS is known to get wrong is explained. What differs is asked again before it counts.
The exit status is 0 if every difference is explained, 1 if not, 2 if they could not be compared.

  --against ADDR[:PORT]  the other server
  --server ADDR[:PORT]   this server (127.0.0.1:1053)
  --admin ADDR:PORT      its admin address, for the names (127.0.0.1:9153)
  --questions FILE       more to ask: lines NAME [TYPE], or a query log of CoreDNS or headless-dns; "-" for standard
                         input; may be repeated
  --rate N               questions a second, each to both (1000)
  --concurrency N        questions at the same time (32)
  --timeout MS           for a reply; three are waited for (2000)
  --settle SECONDS       at most, for what the other may have in its cache before a difference counts (30)
  --examples N           of each cause (3)
  --json                 for programs

Examples:
  headless-dns compare --against 10.96.0.10
  kubectl logs -n kube-system -l k8s-app=kube-dns --tail=-1 | headless-dns compare --against 10.96.0.10 --questions -
`,
  check: `Usage: headless-dns check FILE

Checks a configuration file. Prints the effective configuration, with every default filled in, and exits with 0;
or says what is wrong with it, up to 20 things at a time, and exits with 1.

Example:
  headless-dns check config/example.yaml
`,
  'import-corefile': `Usage: headless-dns import-corefile FILE [--strict]

Prints the configuration that does what a Corefile of CoreDNS does; each key has a comment with the line it came from.
Every directive that has no key of its own is told of on standard error, and in comments at the end of the configuration:
  built in          it is done without being told
  left out          it has no equivalent, and no answer depends on it
  changes answers   some answer may be another: read what to do instead

Imports are read from where they point to, and {$NAME} from the environment: give it the one that CoreDNS runs with.
The exit status is 0 when no answer changes, 3 when one may, 1 when FILE is no Corefile.

  --strict    the exit status is 3 for what is left out, too

Examples:
  kubectl -n kube-system get configmap coredns -o jsonpath={.data.Corefile} > Corefile
  headless-dns import-corefile Corefile > config.yaml && headless-dns check config.yaml
`,
}
