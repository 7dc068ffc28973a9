/** A kubeconfig for the built-in cluster. */

/** What clients need to know. */
export interface Access {
  readonly url: string;
  readonly namespace: string;
  readonly token?: string | undefined;
  /** Certificate that clients are to trust, PEM. */
  readonly ca?: string | undefined;
}

/** The kubeconfig, as JSON, which is YAML too and takes nothing but what Node has to be read. */
export function kubeconfigOf({ url, namespace, token, ca }: Access): string {
  const cluster = {
    server: url,
    // The official JavaScript client takes plain HTTP only so.
    ...(url.startsWith("http:") ? { "insecure-skip-tls-verify": true } : {}),
    ...(ca === undefined ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
  };
  const name = "embedded";
  const config = {
    apiVersion: "v1", kind: "Config", "current-context": name,
    clusters: [{ name, cluster }],
    users: [{ name, user: token === undefined ? {} : { token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace } }],
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
