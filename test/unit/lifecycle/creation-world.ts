/** Creating workspaces against a scripted API server. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { objectAt, objectIn } from "../../../src/domain/json.ts";
import type { Log } from "../../../src/domain/log.ts";
import { silentLog } from "../../../src/domain/log.ts";
import { WsmanError } from "../../../src/domain/errors.ts";
import { embeddedConfig } from "../../../src/main/config/embedded.ts";
import { Creation } from "../../../src/main/lifecycle/creation.ts";
import { readStart, type WorkspaceStart } from "../../../src/main/render/start.ts";
import type { FakeApiServer, Answer } from "../../support/fake-apiserver.ts";
import { request } from "../render/helpers.ts";
import { startObjects, type ObjectsBench } from "../kube/setup.ts";

/** Never aborts. */
export const never = new AbortController().signal;
/** Of every start. */
export const tokens = { owner: "owner-token", cliApi: "cli-token" };

/** What a test holds. */
export interface Setup {
  readonly server: FakeApiServer;
  readonly creation: Creation;
  /** What is known of each workspace. */
  readonly told: { ownerToken: string | undefined; uid: string | undefined };
  readonly clock: ObjectsBench["clock"];
  /** Lets time pass while the work goes on. */
  readonly during: ObjectsBench["during"];
  /** Requests so far, as "POST pods". */
  readonly asked: () => readonly string[];
}

/** Starts it; it ends with the test. */
export async function setup(t: TestContext, log: Log = silentLog): Promise<Setup> {
  const { server, objects, clock, during } = await startObjects(t, { namespace: "default", random: 0.5 });
  const { config } = await embeddedConfig();
  const manager = { ...config.manager, workspaceClasses: config.manager.workspaceClasses.map((one) => ({ ...one, pvc: { size: "1Gi" } })) };
  const told: Setup["told"] = { ownerToken: undefined, uid: undefined };
  const creation = new Creation({ known: () => told, manager, seccompField: false, objects, snapshots: { restore: async () => {} }, seen: async () => {}, onCreated: () => {}, readTemplate: async () => ({}), clock, log });
  return { server, creation, told, clock, during, asked: () => server.requests.map(({ method, path }) => `${method} ${path.replace("/api/v1/namespaces/default/", "")}`) };
}

/** A start that asks for these features. */
export function startOf(features: readonly string[] = []): WorkspaceStart {
  return readStart(request({}, { featureFlags: features }));
}

/** Answers by method and kind, each list in turn, the last of it again and again. */
export function script(server: FakeApiServer, answers: Readonly<Record<string, readonly ((answer: Answer) => void)[]>>): void {
  const used = new Map<string, number>();
  server.handle = (answer) => {
    const key = `${answer.request.method} ${answer.request.path.split("/")[5] ?? ""}`;
    const all = answers[key] ?? [];
    const n = used.get(key) ?? 0;
    used.set(key, n + 1);
    (all[Math.min(n, all.length - 1)] ?? ((each: Answer): void => each.status(404, "NotFound")))(answer);
  };
}

/** A pod that was never ready, of a start with this token. */
export const pod = (token: string, metadata: object = {}, spec: object = {}) => (answer: Answer): void => answer.json(200, { metadata: { uid: "u1", resourceVersion: "7", annotations: { "gitpod/ownerToken": token, "gitpod/never-ready": "true" }, ...metadata }, spec });
/** No answer: the connection breaks. */
export const lost = (answer: Answer): void => answer.reset();
/** A Kubernetes Status. */
export const status = (code: number, reason: string) => (answer: Answer): void => answer.status(code, reason);
/** The claim that was asked for last. */
export const asPosted = (server: FakeApiServer) => (answer: Answer): void => {
  const posted = server.requests.findLast(({ method, path }) => method === "POST" && path.endsWith("/persistentvolumeclaims"));
  const metadata = objectAt(objectIn(posted?.body ?? ""), "metadata");
  answer.json(200, { metadata: { ...metadata, uid: "c1" } });
};
/** A claim, as it was made. */
export const made = (answer: Answer): void => answer.json(201, { metadata: { uid: "c1" } });

/** What the work fails with. */
export async function failureOf(work: Promise<unknown>): Promise<WsmanError> {
  const error: unknown = await work.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof WsmanError, String(error));
  return error;
}
