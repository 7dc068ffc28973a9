/** Actions in a row of bytes: how workers hand them over (see mailbox.ts). */
import type { Action } from "./actions.ts";
import type { ByteReader, ByteWriter } from "./byte-stream.ts";

/** Their places are what is written. */
const names = ["deletePod", "addFinalizer", "removeFinalizer", "setAnnotation", "removeAnnotation", "recreatePod", "initializeContent", "waitForReady", "finalizeContent", "deletePvc", "fillPlaceholder", "guardPod"] as const satisfies readonly Action["action"][];

/** Writes a list. */
export function writeActions(writer: ByteWriter, actions: readonly Action[]): void {
  writer.uint8(actions.length);
  for (const action of actions) writeAction(writer, action);
}

/** Reads what {@link writeActions} wrote. */
export function readActions(reader: ByteReader): readonly Action[] {
  const count = reader.uint8();
  const actions: Action[] = [];
  for (let i = 0; i < count; i++) actions.push(readAction(reader));
  return actions;
}

function writeAction(writer: ByteWriter, action: Action): void {
  writer.uint8(names.indexOf(action.action));
  if (action.action === "deletePod") writer.float64(action.gracePeriodSeconds);
  if (action.action === "finalizeContent") writer.uint8(action.resume ? 1 : 0);
  if (action.action === "setAnnotation" || action.action === "removeAnnotation") writer.string(action.key);
  if (action.action === "setAnnotation") writer.string(action.value);
}

function readAction(reader: ByteReader): Action {
  const name = names[reader.uint8()];
  if (name === undefined) throw new RangeError("no such action");
  if (name === "deletePod") return { action: name, gracePeriodSeconds: reader.float64() };
  if (name === "finalizeContent") return { action: name, resume: reader.uint8() === 1 };
  if (name === "setAnnotation") return { action: name, key: reader.string(), value: reader.string() };
  if (name === "removeAnnotation") return { action: name, key: reader.string() };
  return { action: name };
}
