/** What was lost: everything observable at the end of a fault test, compared with what is promised. */
import { record } from "../../../src/embedded/kubelet/json.ts";
import { wsman } from "../../../src/gen/proto.js";
import type { ReadStatus } from "../status-stream.ts";
import { assertOrder } from "../story.ts";
import { until } from "../until.ts";
import type { Lab } from "./lab.ts";
import type { Life } from "./lives.ts";
import { overlaps } from "./overlaps.ts";
import type { Seen } from "./witness.ts";

type Ends = ReadonlyMap<string, ReadStatus>;

const { STOPPED } = wsman.WorkspacePhase;

/** Everything that is not as promised, in words; empty: nothing was lost. */
export async function verdict(lab: Lab, lives: readonly Life[]): Promise<readonly string[]> {
  const ends = endsOf(lab);
  await lab.looked();
  return [...lab.wrongs, ...lab.cluster.troubles, ...lab.witness.wrongs, ...told(lab, lives, ends), ...(await held(lab)), ...saved(lab, lives, ends), ...(await counted(lab, lives)), ...logged(lab)];
}

/** What subscribers got: an order that makes sense, every end at least once, and by those who are still there exactly once. */
function told(lab: Lab, lives: readonly Life[], ends: Ends): readonly string[] {
  const lost: string[] = [];
  for (const { number, streams, killed } of lab.replicas) {
    for (const [i, stream] of streams.entries()) {
      const who = `subscriber ${i} of daemon ${number}`;
      try {
        assertOrder(stream);
      } catch (error) {
        lost.push(`${who}: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (killed) continue;
      for (const [id, { phase }] of stream.lasts()) if (phase !== STOPPED) lost.push(`${who}: was not told that ${id} has stopped, but that it is ${wsman.WorkspacePhase[phase ?? 0]}`);
    }
  }
  for (const { id } of lives) if (!ends.has(id)) lost.push(`${id}: nobody was told that it has stopped`);
  return lost;
}

/** What the cluster holds: nothing any more. Controllers of claims have a moment to see that their pods are gone. */
async function held(lab: Lab): Promise<readonly string[]> {
  await until("nothing is left", async () => (await lab.leftovers()).length === 0, 5_000).catch(() => {});
  return (await lab.leftovers()).map((what) => `left in the cluster: ${what}`);
}

/** What node daemons were asked for: one backup of each workspace in which there was work, none while another was under way, and its failure told where there is none. */
function saved(lab: Lab, lives: readonly Life[], ends: Ends): readonly string[] {
  const calls = [...new Set(lab.nodes.daemons)].flatMap(({ service }) => service.calls);
  const backups = new Map<string, number>();
  for (const url of lab.nodes.storage.urls()) {
    const metaId = /^workspaces\/[^/]+\/([^/]+)\/backup-/.exec(url)?.[1];
    if (metaId !== undefined) backups.set(metaId, (backups.get(metaId) ?? 0) + 1);
  }
  const each = lives.flatMap((life) => {
    const seen = lab.witness.of(life.id);
    if (!seen) return [`${life.id}: there was never a pod`];
    return life.doom === "anything" ? [] : savedOf(life, seen, backups.get(seen.metaId) ?? 0, ends.get(life.id)?.conditions, isHeld(lab, life.id));
  });
  return [...overlaps(calls, lab.standstills), ...each];
}

function savedOf({ id, doom }: Life, { everReady }: Seen, backups: number, conditions: ReadStatus["conditions"], onNode: boolean): readonly string[] {
  const failed = conditions?.failed ?? "";
  const timeout = conditions?.timeout ?? "";
  const why = timeout === "" ? "" : ` (timed out: ${timeout})`;
  const expected = everReady && doom !== "backup" ? 1 : 0;
  const isGood = doom === undefined;
  const wrongs: readonly (readonly [boolean, string])[] = [
    [backups !== expected, `${backups} backups instead of ${expected}${failed === "" ? "" : ` (${failed})`}`],
    [isGood && failed !== "", `has failed: ${failed}`],
    [!isGood && failed === "", "what went wrong was not told"],
    [isGood && !everReady, `could never be used${why}`],
    [isGood && onNode, "its content is still on the node"],
  ];
  return wrongs.filter(([isSo]) => isSo).map(([, what]) => `${id}: ${what}`);
}

/** What the metrics say. A daemon that was killed took its counts along, and one that lost the lead for a moment, as on a machine that has too much to do, left out what happened then. */
async function counted(lab: Lab, lives: readonly Life[]): Promise<readonly string[]> {
  const living = lab.replicas.filter(({ killed }) => !killed);
  const sum = async (name: string): Promise<number> => (await Promise.all(living.map(async ({ daemon }) => daemon.metric(name)))).reduce((a, b) => a + b, 0);
  const names = ["workspace_backups_success_total", "workspace_backups_failure_total", "workspace_starts_total", "workspace_startup_seconds_count", "workspace_stops_total"].map((name) => `gitpod_ws_manager_${name}`);
  const [made, failed, starts, ready, stops, skipped] = await Promise.all([...names, "wsmand_skipped_pods_total"].map((name) => sum(name)));
  const exact = lab.replicas.length === 1 && ledThroughout(lab) && lives.every(({ doom }) => doom !== "anything");
  // What was evicted could be saved all the same.
  const good = lives.filter(({ id, doom }) => (doom === undefined || doom === "start") && lab.witness.of(id)?.everReady === true).length;
  const lost: string[] = [];
  const compare = (what: string, got = 0, expected = 0): void => {
    if (got > expected || (exact && got < expected)) lost.push(`metrics: ${got} ${what} instead of ${exact ? "" : "at most "}${expected}`);
  };
  compare("backups made", made, good + lives.filter(({ doom }) => doom === "anything").length);
  compare("backups failed", failed, lives.filter(({ doom, id }) => doom !== undefined && lab.witness.of(id)?.everReady === true).length);
  // Of several replicas as well: nothing is counted by two of them.
  compare("ends", stops, lives.length);
  for (const [what, got = 0] of [["starts", starts], ["first uses", ready]] as const) if (got > lives.length) lost.push(`metrics: ${got} ${what} of ${lives.length} workspaces`);
  compare("pods that could not be read", skipped, 0);
  return lost;
}

function ledThroughout(lab: Lab): boolean {
  const times = lab.replicas.reduce((sum, { daemon }) => sum + daemon.logged("not leading any more").length, 0);
  if (times > 0) lab.did("times that a daemon lost the lead", times);
  return times === 0;
}

/** What daemons wrote: no error, and nothing that is no entry of the log. */
function logged({ replicas }: Lab): readonly string[] {
  return replicas.flatMap(({ number, daemon }) => daemon.log().filter(isBad).slice(0, 5).map((entry) => `daemon ${number} wrote: ${JSON.stringify(entry).slice(0, 300)}`));
}

function isBad(entry: Readonly<Record<string, unknown>>): boolean {
  const { level } = record(entry);
  return level === undefined || level === "error" || level === "fatal" || (typeof level === "number" && level >= 50);
}

/** The end of each workspace as it was told; by whoever told it first. */
function endsOf({ replicas, ends }: Lab): Ends {
  const all = new Map(ends);
  for (const status of replicas.flatMap(({ streams }) => streams).flatMap((stream) => stream.all)) if (status.phase === STOPPED && !all.has(status.id ?? "")) all.set(status.id ?? "", status);
  return all;
}

function isHeld({ nodes }: Lab, id: string): boolean {
  return nodes.daemons.some(({ service }) => service.contents.get(id) !== undefined);
}
