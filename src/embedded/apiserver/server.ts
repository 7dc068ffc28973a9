/** The API server over HTTP: who may ask, what is asked, and who answers. */
import { timingSafeEqual, createHash } from "node:crypto";
import type { Clock } from "../../domain/clock.ts";
import { chooseForm } from "./accept.ts";
import { act, refuseStream } from "./actions.ts";
import { admin } from "./admin.ts";
import type { AdminActions } from "./admin.ts";
import { mediaType, parseDeleteOptions, parseObject, parsePatch, readBody } from "./body.ts";
import type { RequestCounter } from "./counter.ts";
import { aggregatedType, discover, isBelowKnownGroup } from "./discovery.ts";
import { methodNotAllowed, noSuchResource, unauthorized, versionTooLarge } from "./errors.ts";
import type { FaultRules, Faults } from "./faults.ts";
import type { HttpRequest, HttpResponse } from "./http.ts";
import type { JsonObject } from "../../domain/json.ts";
import { listPage } from "./listing.ts";
import { listOptions, parseVersion } from "./options.ts";
import { isStream, parseRequest } from "./request.ts";
import type { ResourceRequest } from "./request.ts";
import { Responder } from "./responder.ts";
import { review, reviewAt } from "./reviews.ts";
import type { ObjectStore } from "./store.ts";
import type { RowObject } from "./table.ts";
import { sendList, sendVersion } from "./sending.ts";
import type { Version } from "./version.ts";
import type { Watches } from "./watches.ts";
import { checkWriteOptions, deletionOptions, isDryRun } from "./write-options.ts";
import { create, patch, remove, update } from "./writes.ts";
import type { Written } from "./writes.ts";

/** What the server works with. */
export interface ServerDeps {
  readonly store: ObjectStore;
  readonly watches: Watches;
  readonly clock: Clock;
  readonly counter: RequestCounter;
  readonly rules: FaultRules;
  readonly faults: Faults;
  /** Bearer token that requests must bring; undefined lets everyone in. */
  readonly token: string | undefined;
  /** Whether faults and counts can be reached over HTTP. */
  readonly admin: boolean;
  /** What else can be reached so. */
  readonly adminActions: AdminActions;
}

/** Handles one request; never throws. */
export async function handle(deps: ServerDeps, request: HttpRequest, response: HttpResponse): Promise<void> {
  let answer = new Responder(response);
  try {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (!isHealth(url.pathname)) authorize(deps.token, request);
    const resource = parseRequest(request.method ?? "GET", url);
    if (!resource) {
      await other(deps, request, url, answer);
      return;
    }
    deps.counter.add(resource);
    answer = await strike(deps, resource, response, answer);
    await serve(deps, resource, request, answer);
  } catch (error) {
    request.resume();
    answer.error(error);
  }
}

function isHealth(path: string): boolean {
  return /^\/(healthz|livez|readyz)(\/|$)/.test(path);
}

function authorize(token: string | undefined, request: HttpRequest): void {
  if (token === undefined) return;
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  if (!timingSafeEqual(digest(request.headers.authorization ?? ""), digest(`Bearer ${token}`))) throw unauthorized();
}

/** Lets the first fault that matches strike. */
async function strike(deps: ServerDeps, { verb, type, subresource, name }: ResourceRequest, response: HttpResponse, answer: Responder): Promise<Responder> {
  const fault = deps.rules.strike({ verb, resource: type.plural, subresource, name });
  if (!fault) return answer;
  if (fault.delayMs > 0) {
    await new Promise<void>((resolve) => {
      const cancel = deps.clock.timer(fault.delayMs, resolve);
      response.once("close", () => {
        cancel();
        resolve();
      });
    });
  }
  if (fault.error) throw fault.error;
  return new Responder(response, fault.resetAfterBytes);
}

async function other(deps: ServerDeps, request: HttpRequest, url: URL, answer: Responder): Promise<void> {
  if (isHealth(url.pathname)) return answer.send(200, "ok", "text/plain; charset=utf-8");
  if (deps.admin && url.pathname.startsWith("/embedded/v1/")) return admin(deps, request, url, answer);
  const question = reviewAt(url.pathname);
  if (question !== undefined) {
    if (request.method !== "POST") throw methodNotAllowed();
    return answer.json(201, review(question, await parseObject(await readBody(request), mediaType(request), question)));
  }
  return sendDiscovery(request, url.pathname.length > 1 && url.pathname.endsWith("/") ? url.pathname.slice(0, -1) : url.pathname, answer);
}

function sendDiscovery({ method, headers }: HttpRequest, path: string, answer: Responder): void {
  const accept = headers.accept ?? "";
  const aggregated = accept.includes("as=APIGroupDiscoveryList") && accept.includes("v=v2;");
  const found = method === "GET" ? discover(path, aggregated) : undefined;
  if (!found && isBelowKnownGroup(path)) throw noSuchResource();
  if (!found) return answer.send(404, "404 page not found\n", "text/plain; charset=utf-8");
  answer.header("vary", "Accept");
  return answer.send(200, JSON.stringify(found), aggregated && (path === "/api" || path === "/apis") ? aggregatedType : "application/json");
}

async function serve(deps: ServerDeps, resource: ResourceRequest, request: HttpRequest, answer: Responder): Promise<void> {
  const { store, clock } = deps;
  const form = chooseForm(request.headers.accept);
  const rows = rowObject(resource.query.get("includeObject"));
  const now = clock.now();
  switch (resource.verb) {
    case "get": return sendVersion(answer, 200, get(store, resource), form, rows, now);
    case "list": return sendList(answer, resource.type, listPage(store, resource.type, listOptions(resource)), form, rows, now);
    case "watch": return deps.watches.start(resource.type, listOptions(resource), form, rows, answer);
    case "delete": return sendDeleted(deps, resource, await parseDeleteOptions(await readBody(request), mediaType(request)), request, answer);
    case "deletecollection": return deleteAll(deps, resource, await parseDeleteOptions(await readBody(request), mediaType(request)), answer);
    case "create": case "update": case "patch": break;
  }
  const written = await write(deps, resource, request);
  // Watchers hear of the change first: their lines leave at the end of this turn of the event loop, all changes of the turn in one write.
  await new Promise((resolve) => setImmediate(resolve));
  if (written) return sendVersion(answer, written.code, written.version, form, rows, now);
  return answer.json(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
}

/** Creates, updates, patches; nothing comes back from an action on a subresource. */
async function write({ store, clock }: ServerDeps, resource: ResourceRequest, request: HttpRequest): Promise<Written | undefined> {
  const media = mediaType(request);
  const body = await readBody(request);
  if (resource.verb === "patch") {
    const known = media === "application/apply-patch+yaml" || media.endsWith("-patch+json");
    return patch(store, resource, media, known ? await parsePatch(body, media) : {}, clock.now());
  }
  const kind = resource.type.kind;
  if (resource.verb === "update") return update(store, resource, await parseObject(body, media, kind), clock.now());
  if (isStream(resource.type, resource.subresource)) refuseStream(store, resource);
  if (resource.subresource === "") return create(store, resource, await parseObject(body, media, kind), clock.now());
  act(store, resource, await parseObject(body, media, kind), clock.now());
  return undefined;
}

function rowObject(text: string | null): RowObject {
  return text === "None" || text === "Object" ? text : "Metadata";
}

/** The object; a client may ask for a state no older than a version. */
function get(store: ObjectStore, request: ResourceRequest): Version {
  const { type, namespace, name, subresource, query } = request;
  if (isStream(type, subresource)) refuseStream(store, request);
  const asked = parseVersion(query.get("resourceVersion") ?? "", "get") ?? 0;
  if (asked > store.resourceVersion) throw versionTooLarge(asked, store.resourceVersion);
  return store.need(type, namespace, name);
}

function sendDeleted({ store, clock }: ServerDeps, resource: ResourceRequest, options: JsonObject, request: HttpRequest, answer: Responder): void {
  const { version, gone } = remove(store, resource, options);
  const { type } = resource;
  // Pods come back as they were last; of other things that are gone only the name does.
  if (!gone || type.graceful) return sendVersion(answer, 200, version, chooseForm(request.headers.accept), "Metadata", clock.now());
  const { name, uid } = version.object.metadata;
  const details = { name, ...(type.group === "" ? {} : { group: type.group }), kind: type.plural, uid };
  return answer.json(200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
}

function deleteAll({ store, clock }: ServerDeps, resource: ResourceRequest, options: JsonObject, answer: Responder): Promise<void> {
  const { type, namespace } = resource;
  if (type.namespaced && namespace === "") throw methodNotAllowed();
  checkWriteOptions(resource);
  const how = deletionOptions(resource, options);
  const page = listPage(store, type, listOptions(resource));
  const versions = page.versions.map((version) => store.erase(version, how, isDryRun(resource, options)).version);
  return sendList(answer, type, { ...page, versions }, "json", "Metadata", clock.now());
}
