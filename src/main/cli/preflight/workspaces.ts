/** Check of the workspaces there are: what would be taken over, what is not understood, what would be ended at once. */
import { objectAt, textAt, type JsonObject } from "../../../domain/json.ts";
import { eventReasons, workspaceSelector } from "../../../domain/names.ts";
import { toDeriveConfig, toTimeouts } from "../../config/index.ts";
import { reckoningOf } from "../reckoning.ts";
import { count, note, problem, some, warning, type Check, type Context, type Finding } from "./check.ts";
import { inNamespace } from "./cluster-view.ts";
import { takeOver, type Fate, type NotUnderstood, type Taken, type TakeoverConfig } from "./takeover.ts";

/** Entries of each kind that are kept by name; of more the number is told. */
const maxKept = 100;
/** Kubernetes Events that are looked at. */
const maxEvents = 50_000;

/** Entries, of which the first are kept. */
class Kept<T> {
  readonly first: T[] = [];
  total = 0;

  add(entry: T): void {
    this.total++;
    if (this.first.length < maxKept) this.first.push(entry);
  }
}

/** What was found, in all pods. */
class Census {
  total = 0;
  readonly phases = new Map<string, number>();
  readonly fates = new Map<Fate, Kept<string>>();
  readonly notUnderstood = new Kept<NotUnderstood>();
  readonly timedOut = new Kept<{ readonly id: string; readonly text: string }>();
  readonly oddities = new Kept<{ readonly id: string; readonly name: string; readonly text: string }>();
  readonly unknown = new Map<string, number>();
  readonly unprotected = new Kept<string>();

  add(pod: Taken | NotUnderstood): void {
    this.total++;
    if (pod.kind === "not understood") {
      this.notUnderstood.add(pod);
      return;
    }
    const { id, fates, timedOut, oddities, unknown } = pod;
    addTo(this.phases, `${pod.type} ${pod.phase}`);
    for (const fate of fates) {
      const kept = this.fates.get(fate) ?? new Kept<string>();
      this.fates.set(fate, kept);
      kept.add(id);
    }
    if (timedOut !== "") this.timedOut.add({ id, text: timedOut });
    if (pod.unprotected) this.unprotected.add(id);
    for (const oddity of oddities) this.oddities.add({ id, ...oddity });
    // Names of others: not more than can be told.
    for (const name of unknown) if (this.unknown.has(name) || this.unknown.size < maxKept) addTo(this.unknown, name);
  }
}

function addTo(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

/** The check. */
export const workspaces: Check = {
  name: "workspaces",
  title: "workspaces",
  share: 20,
  async run(context) {
    const { config: { manager }, cluster, nodesInUse, signal, progress } = context;
    const config = takeoverConfig(context);
    const events = await eventsByPod(context);
    const census = new Census();
    for await (const page of cluster.pages(inNamespace(manager.namespace, "pods"), { labelSelector: workspaceSelector }, signal)) {
      for (const raw of page) {
        const pod = takeOver(raw, events.get(textAt(objectAt(raw, "metadata"), "uid")) ?? [], config);
        if (pod.kind === "taken" && pod.nodeName !== "") nodesInUse.add(pod.nodeName);
        census.add(pod);
      }
      progress(`${count(census.total, "pod")} read`);
    }
    const phases = [...census.phases].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([what, number]) => `${number} ${what}`);
    const summary = `${count(census.total - census.notUnderstood.total, "workspace")} would be taken over${phases.length > 0 ? `: ${phases.join(", ")}` : ""}`;
    return { summary, findings: findingsOf(census), data: dataOf(census) };
  },
};

function takeoverConfig({ config, clock }: Context): TakeoverConfig {
  const { manager } = config;
  const now = clock.now();
  return { derive: toDeriveConfig(config), timeouts: toTimeouts(config), reckoning: reckoningOf(config, clock, now), now, classes: new Set(manager.workspaceClasses.map(({ id }) => id)) };
}

/** The Events that statuses depend on, as the daemon watches them. */
async function eventsByPod({ config: { manager }, cluster, signal }: Context): Promise<ReadonlyMap<string, readonly JsonObject[]>> {
  const byPod = new Map<string, JsonObject[]>();
  let left = maxEvents;
  for (const reason of eventReasons) {
    for await (const page of cluster.pages(inNamespace(manager.namespace, "events"), { fieldSelector: `involvedObject.kind=Pod,reason=${reason}` }, signal)) {
      for (const event of page) {
        const uid = textAt(objectAt(event, "involvedObject"), "uid");
        const known = byPod.get(uid);
        if (known) known.push(event);
        else byPod.set(uid, [event]);
      }
      left -= page.length;
      if (left <= 0) return byPod;
    }
  }
  return byPod;
}

/** In the order in which they are told. */
const fateWords: readonly (readonly [Fate, string])[] = [
  ["back up", "would be backed up at once"],
  ["dispose", "would be disposed of at once, without a backup, as they have none"],
  ["delete", "would have their pod deleted at once"],
  ["let go", "have ended, and would be let go at once"],
  ["make anew", "would have their pod made anew at once"],
  ["initialize", "would have their content put in place at once"],
  ["wait until ready", "would be waited for, as they are not ready yet"],
];

function findingsOf(census: Census): Finding[] {
  const { notUnderstood, timedOut, oddities, unknown, unprotected, fates } = census;
  const findings: Finding[] = [];
  for (const { podName, reason } of notUnderstood.first) findings.push(problem(`pod ${podName} is not understood: ${reason}`));
  beyond(findings, notUnderstood, "pods are not understood", problem);
  for (const { id, text } of timedOut.first) findings.push(warning(`${id} would time out at once: ${text}`));
  beyond(findings, timedOut, "would time out at once", warning);
  for (const { id, name, text } of oddities.first) findings.push(warning(`${id}: ${name} ${text}`));
  beyond(findings, oddities, "annotations and labels can not be read", warning);
  for (const [fate, words] of fateWords) {
    const kept = fates.get(fate);
    if (kept) findings.push(note(`${kept.total} ${words}: ${some(kept.first)}`));
  }
  if (unprotected.total > 0) findings.push(note(`${unprotected.total} run without the finalizer, which wsmand puts there at once: ${some(unprotected.first)}`));
  if (unknown.size > 0) findings.push(note(`annotations and labels that mean nothing to wsmand, and stay as they are: ${some([...unknown.keys()], 20)}`));
  return findings;
}

function beyond(findings: Finding[], { total, first }: Kept<unknown>, what: string, make: (text: string) => Finding): void {
  if (total > first.length) findings.push(make(`${total - first.length} more ${what}`));
}

function dataOf({ total, phases, fates, notUnderstood, timedOut, oddities, unknown, unprotected }: Census): object {
  const kept = <T>({ total: of, first }: Kept<T>): object => ({ total: of, first });
  return {
    pods: total,
    phases: Object.fromEntries(phases),
    would: Object.fromEntries(Array.from(fates, ([fate, of]) => [fate, kept(of)])),
    notUnderstood: kept(notUnderstood),
    timedOut: kept(timedOut),
    odd: kept(oddities),
    unknown: Object.fromEntries(unknown),
    unprotected: kept(unprotected),
  };
}
