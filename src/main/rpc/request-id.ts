/** Finds the ID in an encoded request that changes a workspace, without decoding it: for the audit and for traces. */

/** Longest ID that is told. */
const maxId = 128;
/** Tag of field 1 as text: every such request has the ID there. */
const idTag = 0x0a;

/** The ID, if it stands where encoders put it: at the beginning. Empty if it does not, or is none that a workspace can have. */
export function idIn(request: Buffer): string {
  const length = request[1] ?? 0;
  if (request[0] !== idTag || length > maxId || request.length < 2 + length) return "";
  const id = request.toString("latin1", 2, 2 + length);
  return /^[\w.-]*$/.test(id) ? id : "";
}
