/** What the demo's workspaces are in for: how each starts, lives and ends, and which fault it meets. */
import { draw, pick } from "../kubelet/random.ts";
import type { Random } from "../kubelet/random.ts";
import type { PodType } from "./pods.ts";

/** One thing that happens to a running workspace. */
export type Incident = "exposePort" | "publishPort" | "customTimeout" | "close" | "reopen";

/** The course of one workspace's life. */
export interface Plan {
  readonly type: PodType;
  readonly workspaceClass: string;
  /** Faults for the kubelet, "" for none. */
  readonly fault: string;
  /** From the container's start until the content is there, milliseconds. */
  readonly initialization: number;
  /** From ready to the end, for those that do not end on their own; milliseconds. */
  readonly running: number;
  /** How it ends if nothing goes wrong before: a stop request, a timeout, or by finishing its work. */
  readonly end: "request" | "timeout" | "completion";
  readonly incidents: readonly Incident[];
  /** How long the backup takes, milliseconds. */
  readonly backup: number;
  /** What the backup ends with, if it fails. */
  readonly backupFailure?: string;
}

type Course = Partial<Omit<Plan, "fault">> & { readonly fault?: (random: Random) => string };

const seconds = (from: number, to: number) => (random: Random): string => `${Math.round(draw(random, [from, to]))}s`;
const during = seconds(15, 45);

/** Courses and how often each is taken. */
const courses: readonly (readonly [weight: number, course: Course])[] = [
  [40, {}],
  [10, { end: "timeout" }],
  [12, { fault: (random) => `interrupt@${during(random)}` }],
  [4, { fault: (random) => `network-not-ready@${during(random)}` }],
  [10, { type: "prebuild", end: "completion", fault: (random) => `crash:0@${during(random)}` }],
  [6, { type: "imagebuild", end: "completion", fault: (random) => `crash:0@${during(random)}` }],
  [5, { fault: () => "image-pull" }],
  [4, { fault: () => `container-error@5s:${JSON.stringify({ level: "error", message: "cannot initialize workspace", error: "git clone: repository not found" })}\n` }],
  [4, { fault: (random) => `crash:1@${during(random)}` }],
  [2, { fault: (random) => `oom@${during(random)}` }],
  [2, { fault: (random) => `evict@${during(random)}` }],
  [3, { fault: () => "slow-start:20s" }],
  [3, { backupFailure: "upload to object storage failed: 503 Slow Down" }],
];

/** Draws a plan. */
export function drawPlan(random: Random): Plan {
  const { fault, ...course } = drawCourse(random);
  return {
    type: "regular",
    workspaceClass: pick(random, ["default", "default", "large"]),
    fault: fault?.(random) ?? "",
    initialization: draw(random, [4_000, 12_000]),
    running: draw(random, [40_000, 110_000]),
    end: "request",
    incidents: drawIncidents(random),
    backup: draw(random, [2_000, 7_000]),
    ...course,
  };
}

function drawCourse(random: Random): Course {
  let point = random() * courses.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, course] of courses) {
    point -= weight;
    if (point < 0) return course;
  }
  return {};
}

function drawIncidents(random: Random): readonly Incident[] {
  const all: readonly (readonly Incident[])[] = [["exposePort", "publishPort"], ["exposePort", "exposePort", "customTimeout"], ["customTimeout", "close", "reopen"], ["exposePort", "close", "reopen", "publishPort"]];
  return pick(random, all);
}
