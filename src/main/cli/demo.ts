/** The demo of `run --embedded`: people who start workspaces through the API, use them, and stop or forget them, for as long as it runs. */
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { drawPlan, type Incident, type Plan } from "../../embedded/demo/plans.ts";
import { metaIdOf, workspaceId } from "../../embedded/demo/pods.ts";
import { owners, projects } from "../../embedded/demo/words.ts";
import { speedUp } from "../../embedded/kubelet/options.ts";
import { draw, pick, seededRandom, type Random } from "../../embedded/kubelet/random.ts";
import { wsman } from "../../gen/proto.js";
import { withClient, type WsmanClient } from "./client.ts";
import type { ConnectionFlags } from "./connection.ts";
import { follow, type FeedListener } from "./feed.ts";
import type { Io } from "./io.ts";

/** What the demo works with. */
export interface DemoOptions {
  readonly client: Pick<WsmanClient, "start" | "order">;
  readonly clock: Clock;
  readonly random: Random;
  /** How many workspaces there are at a time. */
  readonly workspaces: number;
  /** Divides all delays. */
  readonly speed: number;
  /** Classes that workspaces may have; at least one. */
  readonly classes: readonly string[];
  /** Has a fault of the kubelet strike a workspace's pod. */
  readonly strike: (id: string, fault: string) => void;
  /** Hears of calls that failed, which stop nothing. */
  readonly failed: (call: string, error: unknown) => void;
}

/** What the demo runs on. */
export interface DemoSetting extends Pick<DemoOptions, "workspaces" | "speed" | "classes" | "strike"> {
  readonly server: Omit<ConnectionFlags, "timeout">;
  readonly log: Log;
}

/** How long a call may take, milliseconds. */
const callMs = 30_000;

/** Runs the demo until the signal aborts. Never rejects: what fails is told in the log. */
export async function demo(io: Pick<Io, "clock" | "random" | "signal" | "env">, { server, log, ...setting }: DemoSetting): Promise<void> {
  const failed = (call: string, error: unknown): void => {
    if (!io.signal.aborted) log.warn({ call, error: messageOf(error) }, "a call of the demo failed");
  };
  try {
    await withClient(io, { ...server, timeout: callMs }, async (client) => {
      const people = new Demo({ ...setting, client, clock: io.clock, random: seededRandom(1), failed });
      try {
        await follow(client, {}, io, people);
      } finally {
        people.close();
      }
    });
  } catch (error) {
    failed("Subscribe", error);
  }
}

/** Milliseconds between births at the beginning, before a workspace takes another one's place, before a start that failed is tried again, and between two signs of activity. */
const birthsMs = 1200;
const nextMs = [1500, 6000] as const;
const retryMs = 5000;
const beatMs = 20_000;
const customTimeout = "5m";

/** The demo. It learns from the statuses what its workspaces do; those of others it leaves alone. */
export class Demo implements FeedListener {
  readonly #options: DemoOptions;
  readonly #guests = new Map<string, Guest>();
  readonly #births = new Timers();

  constructor(options: DemoOptions) {
    this.#options = { ...options, clock: speedUp(options.clock, options.speed) };
    for (let i = 0; i < options.workspaces; i++) this.#bear(i * birthsMs);
  }

  status(status: wsman.WorkspaceStatus): void {
    const guest = this.#guests.get(status.id);
    if (!guest) return;
    if (status.phase === wsman.WorkspacePhase.STOPPED) this.#ended(guest);
    else if (status.phase === wsman.WorkspacePhase.RUNNING) guest.use();
  }

  /** Workspaces whose end was missed have ended all the same. */
  listed(ids: ReadonlySet<string>, since: number): void {
    for (const guest of this.#guests.values()) if (guest.startedAt < since && !ids.has(guest.id)) this.#ended(guest);
  }

  notice(): void {}

  /** Nothing more is asked for. The workspaces stay. */
  close(): void {
    this.#births.clear();
    for (const guest of this.#guests.values()) guest.close();
    this.#guests.clear();
  }

  #ended(guest: Guest): void {
    guest.close();
    this.#guests.delete(guest.id);
    this.#bear(draw(this.#options.random, nextMs));
  }

  #bear(ms: number): void {
    this.#births.later(this.#options.clock, ms, () => void this.#start());
  }

  async #start(): Promise<void> {
    const guest = new Guest(this.#options, drawPlan(this.#options.random));
    // Statuses come before the answer.
    this.#guests.set(guest.id, guest);
    if (await guest.start()) return;
    // Unless the demo was closed meanwhile.
    if (this.#guests.delete(guest.id)) this.#bear(retryMs);
  }
}

/** One workspace, as who works in it sees it. */
class Guest {
  readonly id: string;
  /** When its start was answered, on the machine's monotonic clock; never, as long as it was not. */
  startedAt = Number.POSITIVE_INFINITY;
  readonly #options: DemoOptions;
  readonly #plan: Plan;
  readonly #timers = new Timers();
  #used = false;
  #ports: number[] = [];

  constructor(options: DemoOptions, plan: Plan) {
    this.#options = options;
    this.#plan = plan;
    this.id = workspaceId(options.random);
  }

  /** Tells whether it was started. Never rejects. */
  async start(): Promise<boolean> {
    const { client, clock, strike, failed } = this.#options;
    try {
      await client.start(this.#request());
      this.startedAt = clock.monotonic() / this.#options.speed;
      if (this.#plan.fault !== "") strike(this.id, this.#plan.fault);
      return true;
    } catch (error) {
      failed("StartWorkspace", error);
      return false;
    }
  }

  /** It can be used. Prebuilds and image builds do their work alone. */
  use(): void {
    if (this.#used || this.#plan.type !== "regular") return;
    this.#used = true;
    const { random } = this.#options;
    this.#later(draw(random, [2000, 8000]), () => this.#beAt());
    let at = 8000;
    for (const incident of this.#plan.incidents) {
      at += draw(random, [5000, 18_000]);
      this.#later(at, () => this.#happen(incident));
    }
    this.#later(Math.max(at + 3000, this.#plan.running), () => this.#leave());
  }

  close(): void {
    this.#timers.clear();
  }

  #request(): wsman.StartWorkspaceRequest {
    const { random, classes } = this.#options;
    const [metaId, owner, project] = [metaIdOf(random), pick(random, owners), pick(random, projects)];
    const wanted = classes.includes(this.#plan.workspaceClass) ? this.#plan.workspaceClass : (classes[0] ?? "");
    return wsman.StartWorkspaceRequest.fromObject({
      id: this.id, servicePrefix: metaId, type: this.#plan.type.toUpperCase(), metadata: { owner, metaId, project },
      spec: {
        workspaceImage: "registry.example.com/workspace-images:latest", workspaceLocation: project, class: wanted,
        ideImage: { webRef: "registry.example.com/ide/code:latest", supervisorRef: "registry.example.com/supervisor:main" },
        initializer: { git: { remoteUri: `https://git.example.com/demo/${project}.git`, targetMode: "REMOTE_BRANCH", cloneTaget: "main", checkoutLocation: project, config: { authentication: "NO_AUTH" } } },
      },
    });
  }

  /** Shows that somebody is there, again and again. */
  #beAt(): void {
    this.#order("MarkActive", wsman.MarkActiveRequest.encode({ id: this.id }).finish());
    this.#later(beatMs, () => this.#beAt());
  }

  #happen(incident: Incident): void {
    switch (incident) {
      case "exposePort":
        this.#expose([3000, 5173, 8080, 9229].find((candidate) => !this.#ports.includes(candidate)) ?? 3000, wsman.PortVisibility.PORT_VISIBILITY_PRIVATE);
        return;
      case "publishPort":
        for (const port of this.#ports) this.#expose(port, wsman.PortVisibility.PORT_VISIBILITY_PUBLIC);
        return;
      case "customTimeout":
        // Who forgets a workspace wants to see it end.
        if (this.#plan.end !== "timeout") this.#order("SetTimeout", wsman.SetTimeoutRequest.encode({ id: this.id, duration: customTimeout }).finish());
        return;
      case "close":
      case "reopen":
        this.#order("MarkActive", wsman.MarkActiveRequest.encode({ id: this.id, closed: incident === "close" }).finish());
    }
  }

  #expose(port: number, visibility: wsman.PortVisibility): void {
    if (!this.#ports.includes(port)) this.#ports = [...this.#ports, port];
    this.#order("ControlPort", wsman.ControlPortRequest.encode({ id: this.id, expose: true, spec: { port, visibility } }).finish());
  }

  /** Stops it, or forgets about it: then it times out. */
  #leave(): void {
    this.#timers.clear();
    if (this.#plan.end !== "timeout") this.#order("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id: this.id, policy: wsman.StopWorkspacePolicy.NORMALLY }).finish());
  }

  #order(method: Parameters<WsmanClient["order"]>[0], request: Uint8Array): void {
    this.#options.client.order(method, request).catch((error: unknown) => this.#options.failed(method, error));
  }

  #later(ms: number, action: () => void): void {
    this.#timers.later(this.#options.clock, ms, action);
  }
}

/** Timers that can be dropped together. */
class Timers {
  readonly #all = new Set<() => void>();

  later(clock: Clock, ms: number, action: () => void): void {
    const cancel = clock.timer(ms, () => {
      this.#all.delete(cancel);
      action();
    });
    this.#all.add(cancel);
  }

  clear(): void {
    for (const cancel of this.#all) cancel();
    this.#all.clear();
  }
}
