/** Names as Kubernetes allows them, and its words for those that it does not. */

const subdomain = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const dns1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const qualifiedPart = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const labelValue = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

const messages = {
  subdomain: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomain}')`,
  label: `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${label}')`,
  dns1035: `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '${dns1035}')`,
  part: `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualifiedPart}')`,
  value: `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${labelValue}')`,
} as const;

const patterns = {
  subdomain: new RegExp(`^${subdomain}$`), label: new RegExp(`^${label}$`), dns1035: new RegExp(`^${dns1035}$`), part: new RegExp(`^${qualifiedPart}$`), value: new RegExp(`^${labelValue}$`),
} as const;

const limits = { subdomain: 253, label: 63, dns1035: 63, part: 63, value: 63 } as const;

function problem(kind: keyof typeof messages, text: string, prefix = ""): string | undefined {
  if (text.length > limits[kind]) return `${prefix}must be no more than ${limits[kind]} ${kind === "subdomain" ? "characters" : "bytes"}`;
  return patterns[kind].test(text) ? undefined : `${prefix}${messages[kind]}`;
}

/** What is wrong with an object's name; undefined if nothing. */
export function nameProblem(kind: "subdomain" | "label" | "dns1035", name: string): string | undefined {
  return problem(kind, name);
}

/** What is wrong with the key of a label or annotation: an optional DNS prefix, a slash, a name. */
export function labelNameProblem(key: string): string | undefined {
  const [first = "", second, ...more] = key.split("/");
  if (more.length > 0) return `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualifiedPart}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  if (second === undefined) return partProblem(first);
  if (first === "") return "prefix part must be non-empty";
  return problem("subdomain", first, "prefix part ") ?? partProblem(second);
}

function partProblem(part: string): string | undefined {
  if (part === "") return "name part must be non-empty";
  return part.length > limits.part ? `name part must be no more than ${limits.part} bytes` : problem("part", part);
}

/** What is wrong with the value of a label. */
export function labelValueProblem(value: string): string | undefined {
  return problem("value", value);
}
