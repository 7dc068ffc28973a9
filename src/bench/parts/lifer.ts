/** Part: workspaces that are started at a rate, run for a while and are stopped, and what a bare watch of their pods and a subscriber see of that. */
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import { labels, workspaceSelector } from "../../domain/names.ts";
import { workspaceId } from "../../embedded/demo/pods.ts";
import { seededRandom } from "../../embedded/kubelet/random.ts";
import { wsman } from "../../gen/proto.js";
import { BareWatch } from "../load/bare-watch.ts";
import { machineNow, sleepUntil } from "../load/clock.ts";
import { FrameReader } from "../load/frame.ts";
import { GrpcConnection } from "../load/grpc-stream.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { callUnary } from "../load/grpc-unary.ts";
import { delaysOf, LifeBook, seenPod } from "../load/life-book.ts";
import type { BookedLife, Ending } from "../load/life-book.ts";
import { openLivesSchema, runLivesSchema } from "../load/life-results.ts";
import type { Lived, RunLives } from "../load/life-results.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import { pathOf } from "../load/paths.ts";
import { Pending } from "../load/pending.ts";
import { startRequest } from "../load/start-requests.ts";
import type { Images } from "../load/start-requests.ts";
import { Timeline } from "../load/timeline.ts";
import type { PackedTimeline } from "../load/timeline.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

/** How long a call may take, and a workspace until it runs, and until it has stopped, milliseconds; and when the user wants an end. */
const deadlineMs = 120_000;
const hurryMs = 20_000;
/** How long after the last end no second one may come, milliseconds. */
const lastMs = 500;
/** Most lives under way: at that bound those that are due are late. */
const maxUnderWay = 4096;
const maxProblems = 3;
/** All connections are read into this: each chunk is worked off before the next one is read. */
const shared = Buffer.alloc(256 * 1024);

/** What was opened. */
interface Opened {
  readonly owner: string;
  readonly size: number;
  readonly images: Images;
  /** Of the calls; and of the subscriber. */
  readonly calls: GrpcConnection;
  readonly watch: BareWatch;
}

/** Calls that were answered, and others, of a run. */
interface Sums {
  started: number;
  failures: number;
  lost: number;
  stoppedMissing: number;
  readonly ran: string[];
}

const reader = new FrameReader();
const problems: string[] = [];
let book = new LifeBook();
let ending = new AbortController();
let opened: Opened | undefined;

serve({
  open: async (params) => {
    const { kubeconfig, namespace, endpoint, owner, size, ...images } = openLivesSchema.parse(params);
    const watch = await BareWatch.open({ kubeconfig, namespace, selector: `${labels.owner}=${owner},${workspaceSelector}` }, (line) => {
      const pod = seenPod(line.toString());
      if (pod) book.pod(pod, machineNow());
    });
    await subscribe(endpoint);
    opened = { owner, size, images, calls: new GrpcConnection(endpoint, shared), watch };
  },
  /** Resolves when all have ended, or were waited for long enough. */
  run: (params) => run(runLivesSchema.parse(params)),
  /** No more are started, and those that live are stopped. */
  stop: () => ending.abort(),
});

function subscribe(endpoint: Endpoint): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  new GrpcConnection(endpoint, shared).call(pathOf("Subscribe"), new Uint8Array(), {}, {
    message: (bytes, from, to) => {
      reader.read(bytes, from, to);
      book.status(bytes.toString("latin1", reader.idFrom, reader.idTo), reader.phase, machineNow(), () => endingIn(bytes.subarray(from, to)));
    },
    opened: () => resolve(),
    ended: (why) => {
      reject(new Error(`the subscriber was ended: ${why}`));
      problem(`the subscriber was ended: ${why}`);
    },
  });
  return promise;
}

function endingIn(bytes: Uint8Array): Ending {
  const { failed, finalBackupComplete } = wsman.SubscribeResponse.decode(bytes).status?.conditions ?? {};
  return { failed: failed ?? "", backedUp: finalBackupComplete === wsman.WorkspaceConditionBool.TRUE };
}

function problem(text: string): void {
  if (problems.length < maxProblems) problems.push(text);
}

async function run(how: RunLives): Promise<Lived> {
  if (!opened) throw new Error("nothing was opened");
  const { watch } = opened;
  const sums: Sums = { started: 0, failures: 0, lost: 0, stoppedMissing: 0, ran: [] };
  const late = delayHistogram();
  const share = loadShare();
  book = new LifeBook();
  ending = new AbortController();
  problems.length = 0;
  const begunAt = machineNow();
  await letLive(opened, how, sums, late);
  await sleep(lastMs);
  const lives = [...book.all.values()];
  const ran = sums.ran.flatMap((id) => book.all.get(id) ?? []);
  return {
    asked: lives.length, ...sums, failed: ran.filter((life) => life.ending !== undefined && life.ending.failed !== "").length, unsaved: ran.filter((life) => life.ending?.backedUp === false).length,
    twice: lives.filter(({ pods }) => pods > 1).length, ...book.ends, ...delays(lives, how), late: encodeIntoCompressedBase64(late),
    begunAt, runningOverTime: overTime(lives, "running", begunAt), stoppedOverTime: overTime(lives, "stopped", begunAt), problems: [...problems], interrupted: watch.ended, share: share(),
  };
}

function overTime(lives: readonly BookedLife[], step: "running" | "stopped", begunAt: number): PackedTimeline {
  const timeline = new Timeline("sum");
  // Both go on to the end.
  timeline.add((machineNow() - begunAt) / 1000, 0);
  for (const { times: { [step]: at } } of lives) if (at !== undefined) timeline.add((at - begunAt) / 1000, 1);
  return timeline.packed();
}

function delays(lives: readonly BookedLife[], how: RunLives): Readonly<Record<"start" | "startOverhead" | "stop" | "stopOverhead", string>> {
  const all = lives.map(({ times }) => delaysOf(times, how));
  const packed = (values: readonly (number | undefined)[]): string => {
    const histogram = delayHistogram();
    for (const value of values) if (value !== undefined) recordDelay(histogram, value);
    return encodeIntoCompressedBase64(histogram);
  };
  return { start: packed(all.map(({ start }) => start)), startOverhead: packed(all.map((one) => one.startOverhead)), stop: packed(all.map(({ stop }) => stop)), stopOverhead: packed(all.map((one) => one.stopOverhead)) };
}

/** Starts are due at the rate, whatever becomes of those before. Resolves when all lives are over. */
async function letLive(setting: Opened, how: RunLives, sums: Sums, late: Histogram): Promise<void> {
  const { perSecond, seconds } = how;
  const pending = new Pending();
  // Seeds that no other run has, as far as chance goes.
  const seed = randomInt(2 ** 30, 2 ** 31);
  const from = machineNow();
  for (let n = 0; n < Math.ceil(perSecond * seconds) && !ending.signal.aborted; n++) {
    const due = from + (n * 1000) / perSecond;
    await sleepUntil(due);
    await pending.below(maxUnderWay);
    recordDelay(late, machineNow() - due);
    pending.add(live(setting, workspaceId(seededRandom(seed + n)), due, how, sums));
  }
  await pending.below(1);
}

/** One life. Never rejects. */
async function live({ owner, size, images, calls }: Opened, id: string, startDue: number, { stayMs }: RunLives, sums: Sums): Promise<void> {
  const life = book.begin(id, startDue);
  if (!(await called(calls, "StartWorkspace", startRequest(id, owner, size, images), sums))) return;
  sums.started++;
  const isRunning = await within(life.running);
  if (isRunning) {
    sums.ran.push(id);
    // Not later than the user wants an end.
    await sleep(stayMs, undefined, { signal: ending.signal }).catch(() => {});
  } else {
    sums.lost++;
    problem(`${id} was started and not told as RUNNING`);
  }
  book.stopping(id, machineNow());
  if (!(await called(calls, "StopWorkspace", wsman.StopWorkspaceRequest.encode({ id, policy: wsman.StopWorkspacePolicy.NORMALLY }).finish(), sums))) return;
  if (await within(life.stopped)) return;
  sums.stoppedMissing++;
  problem(`${id} was stopped and not told as STOPPED`);
}

/** Whether a call was answered. */
async function called(connection: GrpcConnection, method: string, request: Uint8Array, sums: Sums): Promise<boolean> {
  const answered = callUnary(connection, pathOf(method), request, () => {});
  const { ok, why } = (await within(answered.then(() => {}))) ? await answered : { ok: false, why: "there was no answer in time" };
  if (ok) return true;
  sums.failures++;
  problem(`${method} failed: ${why}`);
  return false;
}

/** Whether it happens before the deadline. */
async function within(event: Promise<void>): Promise<boolean> {
  const done = new AbortController();
  const late = sleep(ending.signal.aborted ? hurryMs : deadlineMs, false, { signal: done.signal }).catch(() => false);
  const came = await Promise.race([event.then(() => true), late]);
  done.abort();
  return came;
}
