/** Reads the workspaces' IDs out of an encoded GetWorkspacesResponse, and makes the request that asks for one of them. */

const statusTag = 0x0a;
const idTag = 0x0a;

/** IDs in a GetWorkspacesResponse, in its order, as UTF-8. (Field 1: the statuses; field 1 of each: the ID, which encoders put first.) @throws RangeError for other bytes. */
export function idsIn(answer: Uint8Array): readonly Uint8Array[] {
  const ids: Uint8Array[] = [];
  for (let at = 0; at < answer.length;) {
    if (answer[at] !== statusTag) throw new RangeError("the answer to GetWorkspaces holds something else than statuses");
    const [start, end] = bounds(answer, at + 1);
    if (answer[start] !== idTag) throw new RangeError("a status does not begin with its ID");
    ids.push(answer.subarray(...bounds(answer, start + 1)));
    at = end;
  }
  return ids;
}

/** A DescribeWorkspaceRequest (field 1: the ID, of less than 128 bytes). */
export function describeRequest(id: Uint8Array): Uint8Array {
  if (id.length > 127) throw new RangeError(`a workspace ID of ${id.length} bytes`);
  return Uint8Array.of(idTag, id.length, ...id);
}

/** Begin and end of a length-delimited field whose length stands there. */
function bounds(bytes: Uint8Array, at: number): readonly [number, number] {
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++];
    if (byte === undefined || scale > 2 ** 28) throw new RangeError("a length has no end");
    length += (byte & 127) * scale;
    if (byte < 128) break;
  }
  if (at + length > bytes.length) throw new RangeError("a field is longer than its message");
  return [at, at + length];
}
