/** Part: subscribers that come, get the initial state, stay a while and go, all the time; and some that read nothing and are replaced before they are forgotten. */
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { z } from "zod";
import { machineNow, sleepUntil } from "../load/clock.ts";
import { FrameReader, stoppedPhase } from "../load/frame.ts";
import { GrpcConnection } from "../load/grpc-stream.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { delayHistogram, recordDelay } from "../load/ledger.ts";
import { pathOf } from "../load/paths.ts";
import type { Visits } from "../load/soak-results.ts";
import { Timeline } from "../load/timeline.ts";
import { Knowledge, Visit } from "../load/visits.ts";
import { endpointSchema } from "./endpoint.ts";
import { loadShare } from "./share.ts";
import { serve } from "./serve.ts";

const openSchema = z.object({
  endpoint: endpointSchema,
  /** Time between visitors, milliseconds; they stay for a time between the two. */
  intervalMs: z.number(),
  stayMs: z.tuple([z.number(), z.number()]),
  /** How many at a time read nothing. */
  stalled: z.number(),
});

const path = pathOf("Subscribe");
const initialState = { "wsman-initial-state": "true" };
/** How much longer a visitor waits for what it is owed. */
const patienceMs = 30_000;
/** Each so many-th one goes at once, in the middle of its initial state, and is owed nothing. */
const hastyEvery = 10;
const hastyMs = 50;
/** Most visitors at a time. */
const maxPresent = 500;
/** Longer than a daemon usually bears someone who does not read. */
const stalledMs = 400_000;
/** Problems that are told in words. */
const maxProblems = 3;

const shared = Buffer.alloc(256 * 1024);
const reader = new FrameReader();
const knowledge = new Knowledge();
const present = new Set<Visitor>();
const complete = delayHistogram();
const slowest = new Timeline("max");
const messages = new Timeline("sum");
const problems: string[] = [];
const ending = new AbortController();
const sums = { connects: 0, failures: 0, incomplete: 0, skipped: 0, repeated: 0, reordered: 0 };
const hanging = new Map<GrpcConnection, NodeJS.Timeout>();
let settings: z.infer<typeof openSchema> | undefined;
let resident: GrpcConnection | undefined;
let startedAt = 0;
let coming: Promise<void> = Promise.resolve();
let share = loadShare();

serve({
  /** Connects who stays, and who does not read. */
  open: async (params) => {
    const options = openSchema.parse(params);
    settings = options;
    startedAt = machineNow();
    resident = await stay(options.endpoint);
    await Promise.all(Array.from({ length: options.stalled }, () => hang(options.endpoint, Math.random())));
  },
  begin: () => {
    if (!settings) throw new Error("nothing was opened");
    share = loadShare();
    coming = comeAndGo(settings);
    coming.catch((error: unknown) => problem(`no one comes any more: ${String(error)}`));
  },
  /** No one comes any more; who is there may still get what it is owed. */
  finish: async (): Promise<Visits> => {
    ending.abort();
    await coming;
    await Promise.all(Array.from(present, (visitor) => visitor.dismiss()));
    closeAll();
    return { ...sums, problems, complete: encodeIntoCompressedBase64(complete), slowest: slowest.packed(), messages: messages.packed(), startedAt, share: share() };
  },
});

function closeAll(): void {
  resident?.close();
  for (const [connection, timer] of hanging) {
    clearTimeout(timer);
    connection.close();
  }
  hanging.clear();
}

function problem(text: string): void {
  if (problems.length < maxProblems) problems.push(text);
}

function seconds(): number {
  return (machineNow() - startedAt) / 1000;
}

/** Subscribes for all the time, and tells the others what is known. */
function stay(endpoint: Endpoint): Promise<GrpcConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<GrpcConnection>();
  const connection = new GrpcConnection(endpoint, shared);
  connection.call(path, new Uint8Array(), initialState, {
    message: (bytes, from, to) => {
      reader.read(bytes, from, to);
      const id = idIn(bytes);
      knowledge.take(id, reader.version, reader.phase);
      if (reader.phase === stoppedPhase) for (const visitor of present) visitor.visit.stopped(id);
    },
    opened: () => resolve(connection),
    ended: (why) => {
      reject(new Error(`the subscriber that stays was ended: ${why}`));
      if (ending.signal.aborted) return;
      sums.failures++;
      problem(`the subscriber that stays was ended: ${why}`);
    },
  });
  return promise;
}

/** Subscribes, reads nothing, and makes room for another one before long. @param left share of the time that it has. */
async function hang(endpoint: Endpoint, left: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const connection = new GrpcConnection(endpoint, shared);
  const timer = setTimeout(() => {
    hanging.delete(connection);
    connection.close();
    if (!ending.signal.aborted) void hang(endpoint, 1);
  }, (0.25 + 0.75 * left) * stalledMs);
  hanging.set(connection, timer);
  let opened = false;
  connection.call(path, new Uint8Array(), {}, {
    message: () => {},
    opened: () => {
      opened = true;
      resolve();
    },
    ended: (why) => {
      if (!opened && !ending.signal.aborted) problem(`a subscriber that does not read could not come: ${why}`);
      resolve();
    },
  });
  await promise;
  connection.stall();
}

async function comeAndGo({ endpoint, intervalMs, stayMs: [least, most] }: z.infer<typeof openSchema>): Promise<void> {
  const from = machineNow();
  for (let i = 0; !ending.signal.aborted; i++) {
    const due = from + i * intervalMs;
    await sleepUntil(due);
    if (present.size >= maxPresent) sums.skipped++;
    else Visitor.come(endpoint, due, i % hastyEvery === hastyEvery - 1 ? "hasty" : least + Math.random() * (most - least));
  }
}

/** The ID of the status that was just read. */
function idIn(bytes: Buffer): string {
  return bytes.toString("latin1", reader.idFrom, reader.idTo);
}

/** One that comes; it is gone when `gone` resolves. */
class Visitor {
  readonly visit: Visit;
  readonly #due: number;
  readonly #connection: GrpcConnection;
  readonly #gone = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout;
  #left = false;
  /** Its time is up, but for what it is owed. */
  #lingers = false;

  private constructor(endpoint: Endpoint, due: number, stay: number | "hasty") {
    this.visit = new Visit(stay === "hasty" ? new Map<string, number>() : knowledge.snapshot());
    this.#due = due;
    this.#timer = setTimeout(() => this.#timeIsUp(), stay === "hasty" ? Math.random() * hastyMs : stay);
    this.#connection = new GrpcConnection(endpoint, shared);
  }

  /** @param due when it was to come. @param stay for how long, milliseconds; "hasty": it goes at once and is owed nothing. */
  static come(endpoint: Endpoint, due: number, stay: number | "hasty"): void {
    const visitor = new Visitor(endpoint, due, stay);
    present.add(visitor);
    sums.connects++;
    visitor.#connection.call(path, new Uint8Array(), initialState, {
      message: (bytes, from, to) => visitor.#take(bytes, from, to),
      opened: () => {},
      ended: (why) => visitor.#ended(why),
    });
  }

  /** It goes as soon as it has what it is owed. Resolves when it is gone. */
  dismiss(): Promise<void> {
    if (!this.#lingers) this.#timeIsUp();
    return this.#gone.promise;
  }

  #take(bytes: Buffer, from: number, to: number): void {
    if (this.#left) return;
    messages.add(seconds(), 1);
    reader.read(bytes, from, to);
    const before = this.visit.complete;
    this.visit.take(idIn(bytes), reader.version);
    if (before || !this.visit.complete) return;
    const delay = machineNow() - this.#due;
    recordDelay(complete, delay);
    slowest.add(seconds(), delay);
    if (this.#lingers) this.#leave();
  }

  #timeIsUp(): void {
    clearTimeout(this.#timer);
    this.#lingers = true;
    if (this.visit.complete) this.#leave();
    else this.#timer = setTimeout(() => this.#giveUp(), patienceMs);
  }

  #giveUp(): void {
    // What was told as stopped meanwhile was no one's debt.
    if (!this.visit.complete) {
      sums.incomplete++;
      problem(`after ${((machineNow() - this.#due) / 1000).toFixed(1)} s a subscriber lacked ${this.visit.missing}`);
    }
    this.#leave();
  }

  #ended(why: string): void {
    if (this.#left) return;
    sums.failures++;
    problem(`a subscriber was ended: ${why}`);
    this.#leave();
  }

  #leave(): void {
    this.#left = true;
    clearTimeout(this.#timer);
    present.delete(this);
    this.#connection.close();
    sums.repeated += this.visit.repeated;
    sums.reordered += this.visit.reordered;
    this.#gone.resolve();
  }
}
