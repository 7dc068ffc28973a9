/** Actions in a row of bytes: how workers hand them over (see mailbox.ts). */
import type { Action } from "./actions.ts";
import type { ByteReader, ByteWriter } from "./byte-stream.ts";

/** Their places are what is written. */
const names = ["deletePod", "addFinalizer", "removeFinalizer", "setAnnotation", "removeAnnotation", "recreatePod", "initializeContent", "waitForReady", "finalizeContent", "deletePvc"] as const satisfies readonly Action["action"][];

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
  switch (action.action) {
    case "deletePod":
      return writer.float64(action.gracePeriodSeconds);
    case "setAnnotation":
      writer.string(action.key);
      return writer.string(action.value);
    case "removeAnnotation":
      return writer.string(action.key);
    case "finalizeContent":
      return writer.uint8(action.resume ? 1 : 0);
    case "addFinalizer": case "removeFinalizer": case "recreatePod": case "initializeContent": case "waitForReady": case "deletePvc":
      return undefined;
    default:
      return action satisfies never;
  }
}

function readAction(reader: ByteReader): Action {
  const name = names[reader.uint8()];
  switch (name) {
    case undefined:
      throw new RangeError("no such action");
    case "deletePod":
      return { action: name, gracePeriodSeconds: reader.float64() };
    case "setAnnotation":
      return { action: name, key: reader.string(), value: reader.string() };
    case "removeAnnotation":
      return { action: name, key: reader.string() };
    case "finalizeContent":
      return { action: name, resume: reader.uint8() === 1 };
    case "addFinalizer": case "removeFinalizer": case "recreatePod": case "initializeContent": case "waitForReady": case "deletePvc":
      return { action: name };
    default:
      return name satisfies never;
  }
}
