/** Follows one resource of an API server: a list, and every change from there on. */
import { setTimeout as pause } from "node:timers/promises";
import type { KubeObject, ResourceName } from "../../../src/embedded/contract.ts";
import { record, records, text, type Json } from "../../../src/embedded/kubelet/json.ts";
import type { Player } from "../player.ts";
import { objectOf, pathOf } from "./objects.ts";

/** Who hears of it. */
export interface WatchHooks {
  /** Everything that there is; what is not among it is gone. */
  readonly listed: (objects: readonly KubeObject[]) => void;
  readonly changed: (object: KubeObject, gone: boolean) => void;
  /** The watch broke and will be begun again. */
  readonly broke: (error: unknown) => void;
}

/** Until a watch that broke is begun again, milliseconds. */
const againMs = 100;

/** Reads the list, then follows the changes until the signal ends it. Resolves once the list was told. @throws if there is no list to be had. */
export async function follow(player: Player, resource: ResourceName, hooks: WatchHooks, signal: AbortSignal): Promise<void> {
  const version = await list(player, resource, hooks);
  void goOn(player, resource, hooks, signal, version);
}

async function list(player: Player, resource: ResourceName, hooks: WatchHooks): Promise<string> {
  const got = await player.request("GET", pathOf(player, resource));
  hooks.listed(records(got["items"]).map((item) => objectOf(resource, item)));
  return text(record(got["metadata"])["resourceVersion"]);
}

/** Goes on behind the last change that was told, so none is missed; where the server has forgotten what came after it, a list makes good for it. Never rejects. */
async function goOn(player: Player, resource: ResourceName, hooks: WatchHooks, signal: AbortSignal, from: string): Promise<void> {
  let version = from;
  while (!signal.aborted) {
    try {
      if (version === "") version = await list(player, resource, hooks);
      const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${version}`;
      for await (const event of player.watch(`${pathOf(player, resource)}?${query}`, signal)) version = take(resource, hooks, event);
    } catch (error) {
      if (signal.aborted) return;
      hooks.broke(error);
      await pause(againMs);
    }
  }
}

/** @returns the version to go on from; "" where there is none. */
function take(resource: ResourceName, hooks: WatchHooks, { type, object }: Json): string {
  if (type === "ERROR") return "";
  const version = text(record(record(object)["metadata"])["resourceVersion"]);
  if (type !== "BOOKMARK") hooks.changed(objectOf(resource, object), type === "DELETED");
  return version;
}
