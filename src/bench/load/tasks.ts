/** Which call is the n-th one of a run (see called.ts). */
import { idPlaceholder } from "./called.ts";
import type { Work } from "./called.ts";

/** A call. */
export interface Task {
  readonly path: string;
  readonly request: Uint8Array;
  readonly answer?: Uint8Array | undefined;
}

/** Values that a call sets, told apart by number: a workspace that has one of them is asked for the other. */
const values = [0, 1] as const;

/**
 * Calls that set something: each workspace in turn, then each of them again with the other value. As tasks that go on where the turn before ended, every one of them changes something.
 * @param task what is asked of a workspace; the round tells the value.
 */
export function inRounds<Workspace>(workspaces: readonly Workspace[], task: (workspace: Workspace, round: number) => Task): Task[] {
  return values.flatMap((round) => workspaces.map((workspace) => task(workspace, round)));
}

/** Gives call n of a run. What is given @throws Error if there is nothing to call. */
export function tasksOf(work: Work): (n: number) => Task {
  if (work.kind === "tasks") {
    const { tasks, first = 0 } = work;
    return (n) => {
      const task = tasks[(first + n) % tasks.length];
      if (!task) throw new Error("there is nothing to call");
      return task;
    };
  }
  const template = Buffer.from(work.request.buffer, work.request.byteOffset, work.request.byteLength).toString("latin1");
  return (n) => {
    const id = work.ids[n] ?? "";
    return { path: work.path.replaceAll(idPlaceholder, id), request: Buffer.from(template.replaceAll(idPlaceholder, id), "latin1") };
  };
}
