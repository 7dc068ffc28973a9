/** GetWorkspaces: all workspaces that match, from memory (spec: api). */
import type { Clock } from "../../../domain/clock.ts";
import { WsmanError } from "../../../domain/errors.ts";
import type { WorkspaceReader } from "../../state/reader.ts";
import type { AnswerGate } from "../answer-gate.ts";
import type { UnaryHandler } from "../calls.ts";
import { decodeGetWorkspaces } from "../requests.ts";
import { FramesAnswer } from "../frames-answer.ts";
import type { ChunkPool } from "../frames-answer.ts";

/** An answer that its client has not taken after this time, milliseconds, is dropped and the call reset: others wait for its room. */
const takeMs = 60_000;

/** Answers with the matching workspaces' frames: each is one element of the response. */
export function getWorkspaces(reader: WorkspaceReader, gate: AnswerGate, chunks: ChunkPool, clock: Clock): UnaryHandler {
  return async (request, call) => {
    const filter = decodeGetWorkspaces(request);
    requireSynced(reader);
    const pass = await gate.enter(call.signal);
    try {
      const answer = new FramesAnswer(await reader.collect(filter, call.signal), chunks);
      pass.holds(answer.bytes);
      const cancel = clock.timer(takeMs, () => call.reset());
      call.onClosed(() => {
        cancel();
        pass.leave();
      });
      return answer;
    } catch (error) {
      pass.leave();
      throw error;
    }
  };
}

/** Throws UNAVAILABLE until the first complete list was applied: an empty answer would mean that every workspace stopped. */
export function requireSynced(reader: WorkspaceReader): void {
  if (!reader.synced) throw new WsmanError("UNAVAILABLE", "not synchronized yet");
}
