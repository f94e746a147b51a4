/**
 * What a pod knows of its API server: two variables of its environment, and the files of its service account. Layer: kubernetes.
 * Kubernetes documentation, "Accessing the API from within a Pod". Not by @kubernetes/client-node, which takes longer to load than
 * a whole snapshot to be read (decision log of src/README.md).
 */

import { readFileSync } from 'node:fs'
import { bracketed } from './http.ts'

export interface ServiceAccount {
  readonly server: string
  /** PEM. */
  readonly authority: string
  readonly token: string
  /** Files that these come from; kubelet replaces the token about every hour. */
  readonly files: readonly string[]
}

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
export const TOKEN_FILE = `${FOLDER}/token`

/**
 * @param root in front of the files' folder, for tests
 * @throws what Node throws for a file that cannot be read; an Error for one that is empty, and outside of a pod
 */
export function readServiceAccount(root: string): ServiceAccount {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = process.env
  if (host === '') throw new Error('KUBERNETES_SERVICE_HOST is not set: this is no pod; give --kubeconfig instead')
  const files = [`${root}${TOKEN_FILE}`, `${root}${FOLDER}/ca.crt`] as const
  const [token, authority] = files.map(readFilled) as [string, string]
  return { server: `https://${bracketed(host)}:${port}`, authority, token, files }
}

/** Without an authority of its own, TLS would trust those of the whole world. */
function readFilled(file: string): string {
  const text = readFileSync(file, 'latin1').trim()
  if (text === '') throw new Error(`${file} is empty`)
  return text
}
