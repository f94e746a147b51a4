/**
 * The one door to @kubernetes/client-node. Layer: kubernetes. A file of its own: the bundler takes from the package what is
 * named here alone, and it is loaded only when there is an API server to speak to.
 */

export { KubeConfig, loadYaml } from '@kubernetes/client-node'
