/** A kubeconfig for the built-in cluster. */

/** What clients need to know. */
export interface Access {
  readonly url: string;
  readonly namespace: string;
  readonly token?: string | undefined;
  /** Certificate that clients are to trust, PEM. */
  readonly ca?: string | undefined;
}

/** The kubeconfig as YAML. */
export function kubeconfigOf({ url, namespace, token, ca }: Access): string {
  const lines = [
    "apiVersion: v1", "kind: Config", "current-context: embedded",
    "clusters:", "- name: embedded", "  cluster:", `    server: ${JSON.stringify(url)}`,
    // The official JavaScript client takes plain HTTP only so.
    ...(url.startsWith("http:") ? ["    insecure-skip-tls-verify: true"] : []),
    ...(ca === undefined ? [] : [`    certificate-authority-data: ${Buffer.from(ca).toString("base64")}`]),
    "users:", "- name: embedded", token === undefined ? "  user: {}" : "  user:",
    ...(token === undefined ? [] : [`    token: ${JSON.stringify(token)}`]),
    "contexts:", "- name: embedded", `  context: {cluster: embedded, user: embedded, namespace: ${JSON.stringify(namespace)}}`,
  ];
  return `${lines.join("\n")}\n`;
}
