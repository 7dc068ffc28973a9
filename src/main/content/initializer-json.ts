/** Content initializers as proto3 JSON, with their secrets or without. */
import { asObject, objectAt, objectsAt, textAt, type JsonObject } from "../../domain/json.ts";
import { contentservice } from "../../gen/proto.js";

/** The initializer as proto3 JSON. It holds credentials. */
export function initializerJson(initializer: contentservice.WorkspaceInitializer.$Properties): JsonObject {
  const json: JsonObject = contentservice.WorkspaceInitializer.toObject(contentservice.WorkspaceInitializer.create(initializer), { enums: String, longs: String });
  return changed(json, { git: withJsonNames, file: (file) => file });
}

/** The same JSON, without what gives access: what is left out says so. */
export function withoutCredentials(json: JsonObject): JsonObject {
  return changed(json, { git: gitWithoutCredentials, file: (file) => ("url" in file ? { ...file, url: plainUrl(textAt(file, "url")) } : file) });
}

const hidden = "[hidden]";
const credentials = ["authUser", "authPassword", "authOts"] as const;

type Change = (part: JsonObject) => JsonObject;

/** Changes the parts of an initializer that have something to change, wherever they are. */
function changed(json: JsonObject, change: { readonly git: Change; readonly file: Change }): JsonObject {
  const [git, prebuild, composite, download] = [objectAt(json, "git"), objectAt(json, "prebuild"), objectAt(json, "composite"), objectAt(json, "download")];
  return {
    ...json,
    ...(git && { git: change.git(git) }),
    ...(prebuild && { prebuild: withList(prebuild, "git", change.git) }),
    ...(composite && { composite: withList(composite, "initializer", (part) => changed(part, change)) }),
    ...(download && { download: withList(download, "files", change.file) }),
  };
}

function withList(parent: JsonObject, key: string, change: Change): JsonObject {
  return key in parent ? { ...parent, [key]: objectsAt(parent, key).map(change) } : parent;
}

/** The generated code has a name of its own for the field upstream_Remote_uri. */
function withJsonNames({ upstream_RemoteUri: upstream, ...git }: JsonObject): JsonObject {
  return upstream === undefined ? git : { ...git, upstreamRemoteUri: upstream };
}

function gitWithoutCredentials(git: JsonObject): JsonObject {
  const urls = (["remoteUri", "upstreamRemoteUri"] as const).filter((key) => key in git).map((key): [string, string] => [key, plainUrl(textAt(git, key))]);
  const config = objectAt(git, "config");
  return { ...git, ...Object.fromEntries(urls), ...(config && { config: configWithoutCredentials(config) }) };
}

/** Settings may be headers with tokens in them: only their names are told. */
function configWithoutCredentials(config: JsonObject): JsonObject {
  const custom = asObject(config["customConfig"]);
  const secrets = credentials.filter((key) => key in config).map((key): [string, string] => [key, hidden]);
  return { ...config, ...Object.fromEntries(secrets), ...(custom && { customConfig: Object.fromEntries(Object.keys(custom).map((key) => [key, hidden])) }) };
}

/** Of URLs whose parts are what they seem to be. */
const protocols: ReadonlySet<string> = new Set(["https:", "http:", "ssh:", "git:"]);

/** A URL without user, password, query and fragment: those may give access. */
function plainUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || url.host === "" || !protocols.has(url.protocol)) return plainText(text);
  if (url.username === "" && url.password === "" && url.search === "" && url.hash === "") return text;
  url.username = "";
  url.password = "";
  url.hash = "";
  return url.search === "" ? url.href : `${url.href.slice(0, url.href.indexOf("?"))}?${hidden}`;
}

/** What is no such URL, as `USER:TOKEN@HOST/PATH`: what may be a user, a query or a fragment is hidden. */
function plainText(text: string): string {
  const query = text.search(/[?#]/);
  const at = text.lastIndexOf("@");
  // Either of them may be part of a password, or what follows part of a query.
  if (query !== -1 && at > query) return hidden;
  const host = text.slice(at + 1, query === -1 ? undefined : query);
  return `${at === -1 ? "" : `${hidden}@`}${host}${query === -1 ? "" : `?${hidden}`}`;
}
