/** Fault test of an upgrade in place: pods that another version's daemon made, as they were recorded, are taken over and come to a correct end. */
import { setTimeout as pause } from "node:timers/promises";
import { readFileSync } from "node:fs";
import { record, records, text, texts, type Json } from "../../../src/embedded/kubelet/json.ts";
import { messageOf } from "../../../src/domain/errors.ts";
import { annotations, labels } from "../../../src/domain/names.ts";
import { plantable, recordedCases, renamed } from "../recorded.ts";
import { until } from "../until.ts";
import type { Lab } from "./lab.ts";
import { allEnded, stopAll, type Life } from "./lives.ts";
import { type Scenario } from "./run.ts";

/** In place of the finalizers of other controllers. */
const held = "example.com/held";

interface Recorded {
  readonly life: Life;
  readonly metaId: string;
  /** Backups that have to be made, at least and at most. */
  readonly backups: readonly [number, number];
}

/** Takes over what another daemon left. */
export const upgrade: Scenario = {
  name: "upgrade",
  what: "recorded pods of the Go daemon, in all states, are put into a cluster; the daemon takes them over, backs them up where there is work, and ends them",
  full: { workspaces: 100, rounds: 1, faultMs: 0, patienceMs: 60_000 },
  small: { workspaces: 100, rounds: 1, faultMs: 0, patienceMs: 60_000 },
  lab: () => ({ nodes: 3 }),
  async play(lab, { workspaces, patienceMs }, lives) {
    lab.step = "putting recorded pods into the cluster";
    const recorded = (await Promise.all(recordedCases().slice(0, workspaces).map(async (file, i) => put(lab, file, i)))).filter((one) => one !== undefined);
    lives.push(...recorded.map(({ life }) => life));
    await lab.addReplica();
    // They are taken over as they are, before anybody asks for anything.
    await pause(1_000);
    letGo(lab);
    const there = lives.filter(({ id }) => lab.witness.of(id)?.gone === false && lab.witness.of(id)?.deleted === false);
    await stopAll(lab, there, patienceMs);
    lab.step = "waiting until all are gone";
    await until("all are gone", async () => (await lab.leftovers()).length === 0, patienceMs);
    await allEnded(lab, lives, patienceMs);
    check(lab, recorded);
  },
};

async function isTaken(lab: Lab, pod: Json): Promise<boolean> {
  try {
    await lab.cluster.create(pod);
    return true;
  } catch (error) {
    lab.did(`recorded pods that no cluster takes (${messageOf(error).slice(0, 80)})`);
    return false;
  }
}

/** Puts the pod of a case into the cluster, under an ID of its own, on a node that there is. */
async function put(lab: Lab, file: string, index: number): Promise<Recorded | undefined> {
  const given = record(JSON.parse(readFileSync(file, "utf8")));
  const recorded = record(record(given["input"])["pod"]);
  if (given["expectedStatus"] === undefined && file.includes("status_")) {
    lab.did("recorded pods left out, as no status can be told of them");
    return undefined;
  }
  const id = `taken-over-${index}`;
  const pod = renamed(recorded, id);
  const metadata = record(pod["metadata"]);
  const node = text(record(pod["spec"])["nodeName"]) === "" ? "" : `node-${1 + (index % 3)}`;
  const leaving = metadata["deletionTimestamp"] !== undefined;
  // What is leaving is to be there still when the daemon comes.
  if (!(await isTaken(lab, plantable(pod, { namespace: lab.cluster.namespace, node, held: leaving ? held : undefined })))) return undefined;
  const metaId = `meta-${id}`;
  const unsaved = isUnsaved(metadata, pod);
  if (unsaved) lab.nodes.adopt(node, { id, owner: "jane", metaId });
  if (leaving) lab.cluster.store.delete("pods", lab.cluster.namespace, text(metadata["name"]), { gracePeriodSeconds: 30 });
  lab.did("recorded pods");
  if (unsaved) lab.did("… with work in them");
  // One that nothing keeps, and that goes for another reason than a stop, is gone before anybody can save anything: what was recorded of old daemons has no finalizer.
  const kept = texts(metadata["finalizers"]).some((name) => name.startsWith("gitpod.io/")) || records(given["expectedActions"]).some(({ action }) => action === "addFinalizer");
  return { life: { id, doom: "anything" }, metaId, backups: [unsaved && kept ? 1 : 0, unsaved ? 1 : 0] };
}

/** The controllers that held pods are done with them. */
function letGo({ cluster }: Lab): void {
  for (const { metadata } of cluster.store.list("pods", cluster.namespace).filter(({ metadata }) => metadata.finalizers?.includes(held))) {
    cluster.store.update("pods", cluster.namespace, metadata.name, (draft) => {
      // The daemon may have taken its own meanwhile: that must not come back.
      const now = record(draft["metadata"]);
      draft["metadata"] = { ...now, finalizers: texts(now["finalizers"]).filter((name) => name !== held) };
    });
  }
}

/** Was ready on a node, and its content's end is not written down. */
function isUnsaved({ annotations: noted, labels: marks }: Json, pod: Json): boolean {
  const written = record(noted);
  const ready = written[annotations.neverReady] === undefined && records(record(pod["status"])["containerStatuses"]).length > 0;
  return ready && written[annotations.disposalStatus] === undefined && record(marks)[labels.type] === "regular";
}

function check(lab: Lab, recorded: readonly Recorded[]): void {
  const urls = lab.nodes.storage.urls();
  for (const { life, metaId, backups: [least, most] } of recorded) {
    const made = urls.filter((url) => url.includes(`/${metaId}/backup-`)).length;
    lab.did("… backups made", made);
    if (made < least || made > most) lab.wrongs.push(`${life.id}: ${made} backups, instead of ${least} to ${most}`);
  }
}
