/**
 * Certificates for 127.0.0.1 and ::1, made when a test wants one, by openssl. Layer: test support.
 */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TlsMaterial } from './fake-api-server.ts'

/** As below; undefined: there is no openssl. */
export function tryCertificate(folder: string, name: string): ReturnType<typeof makeCertificate> | undefined {
  try {
    return makeCertificate(folder, name)
  } catch {
    return undefined
  }
}

/** Self-signed: it is its own authority. @param folder where its files are left: `NAME.key` and `NAME.crt` */
export function makeCertificate(folder: string, name: string): TlsMaterial & { readonly file: string } {
  const [key, file] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,IP:::1']
  execFileSync('openssl', ['req', '-x509', ...curve, '-days', '2', ...subject, '-keyout', key, '-out', file], {
    stdio: 'ignore',
  })
  return { key: readFileSync(key), cert: readFileSync(file), file }
}
