/**
 * A Corefile as clusters have it → the same Corefile, to be run here: on free ports of loopback, with a fake API server and fake
 * upstreams. Nothing else of it is changed, so what is imported and what CoreDNS runs is one text. Layer: test support.
 */

export interface Surroundings {
  readonly port: number
  /** URL of the API server. */
  readonly api: string
  /** `ADDRESS:PORT` of who is asked in server blocks of all names, and of who is in the others. */
  readonly upstream: string
  readonly stub: string
  /** For health, ready and prometheus. */
  readonly http: readonly [health: number, ready: number, prometheus: number]
  /** A file in the form of hosts(5). */
  readonly hosts: string
}

export function runnable(corefile: string, { port, api, upstream, stub, http, hosts }: Surroundings): string {
  const [health, ready, prometheus] = http
  let isStub = false
  return corefile
    .split('\n')
    .flatMap(line => {
      const indent = /^\s*/.exec(line)![0]
      const [word = ''] = line.trim().split(' ', 1)
      const brace = line.endsWith('{') ? ' {' : ''
      if (indent === '' && brace !== '' && !word.startsWith('(')) {
        isStub = !word.startsWith('.')
        return [line.replaceAll(/:(53|\{[$%]DNS_PORT%?\})(?=[ ,"]|$)/g, `:${port}`), '    bind 127.0.0.1']
      }
      if (word === 'bind') return []
      if (word === 'kubernetes')
        return [`${line.replace(/ \{$/, '')} {`, `        endpoint ${api}`, ...(brace ? [] : ['    }'])]
      if (word === 'forward') return [`${indent}forward . ${isStub ? stub : upstream}${brace}`]
      if (word === 'health') return [`${indent}health 127.0.0.1:${health}${brace}`]
      if (word === 'ready') return [`${indent}ready 127.0.0.1:${ready}${brace}`]
      if (word === 'prometheus') return [`${indent}prometheus 127.0.0.1:${prometheus}`]
      // CoreDNS took it as nothing since 1.6, and refuses it by now.
      if (word === 'upstream') return []
      return [line.replace('/etc/coredns/NodeHosts', hosts)]
    })
    .join('\n')
}
