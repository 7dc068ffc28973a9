/** URL templates of an installation: the subset of Go's text/template that they use, `{{ .ID }}` (spec: kubernetes, "workspace URL"). */

import { quote } from "./describe-value.ts";

/** Fields of the URL of a workspace. */
export const workspaceUrlFields = ["ID", "Prefix", "Host"] as const;
/** Fields of the URL of a port. */
export const portUrlFields = ["ID", "Prefix", "Host", "WorkspacePort", "IngressPort"] as const;

/** Values by field. */
export type UrlValues = Readonly<Partial<Record<(typeof portUrlFields)[number], string>>>;

/** Values like those of a real workspace, with which a template is tried. */
const samples: ReadonlyMap<string, string> = new Map([
  ["ID", "3b24c4d4-0f4d-4a3e-9f0c-0a1b2c3d4e5f"], ["Prefix", "amaranth-smelt-9ba20cc1"], ["Host", "gitpod.io"], ["WorkspacePort", "3000"], ["IngressPort", "443"],
]);

const action = /(?:\s*\{\{-\s|\{\{)\s*\.(\w+)\s*(?:\s-\}\}\s*|\}\})/g;

/** Renders a template that was validated; fields without a value become empty. */
export function renderUrl(template: string, values: UrlValues): string {
  return replace(template, new Map(Object.entries(values)));
}

function replace(template: string, values: ReadonlyMap<string, string>): string {
  return template.replace(action, (_all, field: string) => values.get(field) ?? "");
}

/** What a template must be and is not, in words; undefined if it is fine. */
export function urlTemplateProblem(template: string, fields: readonly string[]): string | undefined {
  if (template.length > 4096) return "must be a URL template of at most 4096 characters";
  for (const match of template.matchAll(action)) {
    if (!fields.includes(match[1] ?? "")) return `must be a URL template of the fields ${fields.map((field) => `{{ .${field} }}`).join(", ")}`;
  }
  if (/\{\{|\}\}/.test(template.replace(action, ""))) return "must be a URL template with fields such as {{ .ID }}";
  return isUrl(replace(template, samples)) ? undefined : "must be a template that renders to a URL";
}

/**
 * What is odd about the URLs that a template makes with an installation's hostURL, in words; undefined if nothing is. Where hostURL has a scheme and the template puts it behind another one,
 * what comes out still parses: a host with a path.
 */
export function renderedUrlOddity(template: string, host: string): string | undefined {
  const url = replace(template, new Map([...samples, ["ID", "ID"], ["Prefix", "PREFIX"], ["Host", host]]));
  if (url.split("://").length > 2) return `makes URLs with "://" twice, such as ${quote(url)}: {{ .Host }} is manager.hostURL as it is, scheme included`;
  return isUrl(url) ? undefined : `makes what is no URL, such as ${quote(url)}`;
}

/** Whether a text is a URL of the web; the scheme may be missing ("example.org/path"). */
export function isUrl(text: string): boolean {
  if (/[\s\p{Cc}]/u.test(text)) return false;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) return false;
  return /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.?$|^\[[0-9a-f:.]+\]$/i.test(url.hostname);
}
