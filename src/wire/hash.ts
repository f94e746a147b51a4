/**
 * The hash of a name in wire form, computed so that the hashes of all its suffixes fall out on the way: the closest
 * encloser of a name that does not exist is then found without reading the name again.
 * Layer: wire. Keyed with a secret seed: whoever can create objects in the cluster cannot aim at one slot.
 *
 *   name     03 'w' 'e' 'b'   02 'n' 's'   03 's' 'v' 'c'   00
 *   label    hash(web)        hash(ns)     hash(svc)
 *   suffix   s0 = mix(s1, web)  s1 = mix(s2, ns)  s2 = mix(s3, svc)  s3 = seed
 */

/** One octet more of a label (already lower-cased). A label starts as `seed ^ length`. */
export function hashOctet(label: number, octet: number): number {
  return Math.imul(label ^ octet, 0x01000193)
}

/** The hash of `label.suffix`. */
export function hashLabel(suffix: number, label: number): number {
  const mixed = Math.imul(suffix ^ label, 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}
