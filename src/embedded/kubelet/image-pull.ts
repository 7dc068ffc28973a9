/** The pull of a pod's image: at once, slowly, or failing again and again as the kubelet tells it. */
import { countOf, durationOf } from "./faults.ts";
import type { Fault } from "./faults.ts";
import type { PodRun } from "./pod-run.ts";
import { draw } from "./random.ts";

/**
 * Pulls the image of the container that faults strike, unless the node has it.
 * @param fails how often, if it does; @param slow how much longer it takes, if it does.
 * @param done told what the kubelet says of it, once the image is there.
 */
export function pull(run: PodRun, fails: Fault | undefined, slow: Fault | undefined, done: (said: string) => void): void {
  const image = run.target?.image ?? "";
  if (run.target?.present) {
    done(`Container image "${image}" already present on machine`);
    return;
  }
  attempt(run, 0, fails ? countOf(fails, Number.POSITIVE_INFINITY) : 0, () => {
    const { random, timings } = run.deps;
    const ms = draw(random, timings.pull) + (slow ? durationOf(slow, 60_000) : 0);
    const took = `${(ms / 1000).toFixed(3)}s`;
    run.timeline.later(ms, () => done(`Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: 734003200 bytes.`));
  });
}

function attempt(run: PodRun, failures: number, toFail: number, pulling: () => void): void {
  run.note("Normal", "Pulling", `Pulling image "${run.target?.image ?? ""}"`, run.target);
  if (failures >= toFail) pulling();
  else run.timeline.later(draw(run.deps.random, run.deps.timings.pull) / 2, () => failed(run, failures, () => attempt(run, failures + 1, toFail, pulling)));
}

function failed(run: PodRun, failures: number, again: () => void): void {
  const { timings } = run.deps;
  const image = run.target?.image ?? "";
  const message = `failed to pull and unpack image "${image}": failed to resolve reference "${image}": ${image}: not found`;
  run.note("Warning", "Failed", `Failed to pull image "${image}": ${message}`, run.target);
  run.note("Warning", "Failed", "Error: ErrImagePull", run.target);
  waiting(run, "ErrImagePull", message);
  const wait = Math.min(timings.backoff * 2 ** failures, timings.backoffLimit);
  run.timeline.later(wait / 8, () => {
    run.note("Normal", "BackOff", `Back-off pulling image "${image}"`, run.target);
    run.note("Warning", "Failed", "Error: ImagePullBackOff", run.target);
    waiting(run, "ImagePullBackOff", `Back-off pulling image "${image}"`);
  });
  run.timeline.later(wait, again);
}

function waiting(run: PodRun, reason: string, message: string): void {
  const { target } = run;
  if (target) target.state = { kind: "waiting", reason, message };
  run.write();
}
