/** What Kubernetes accepts as names, and as keys and values of labels and annotations. */

/** Whether a text can be the value of a label. The empty one can. */
export function isLabelValue(value: string): boolean {
  return /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/.test(value);
}

/** Whether a text can be a host name without a domain (RFC 1123 label): at most 63 characters. */
export function isDnsLabel(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}

/** Whether a text can be the name of most objects, pods and claims among them (RFC 1123 subdomain): at most 253 characters. */
export function isDnsSubdomain(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(name);
}

/** Whether a text can be the part of an annotation's key that follows the prefix and its slash. */
export function isQualifiedName(name: string): boolean {
  return name !== "" && isLabelValue(name);
}

/** Whether a text can be the name of an environment variable, in the widest sense that any version of Kubernetes allows. */
export function isEnvName(name: string): boolean {
  return /^[ -<>-~]+$/.test(name);
}

/** Whether a text can be a key in a Secret. */
export function isSecretKey(key: string): boolean {
  return /^[-._a-zA-Z0-9]{1,253}$/.test(key) && key !== "." && !key.startsWith("..");
}
