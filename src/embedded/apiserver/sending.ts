/** Objects and lists on their way to the client: bytes that exist already are sent as they are. */
import type { Form } from "./accept.ts";
import type { Page } from "./listing.ts";
import { apiVersionOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";
import type { Responder } from "./responder.ts";
import { metadataOf, tableOf } from "./table.ts";
import type { RowObject } from "./table.ts";
import type { Bytes, Version } from "./version.ts";

/** Bytes that are put together before they are written. */
const chunkBytes = 256 * 1024;

/** Sends one object. */
export function sendVersion(answer: Responder, code: number, version: Version, form: Form, rows: RowObject, now: number): void {
  if (form === "json") answer.send(code, version.json);
  else if (form === "metadata") answer.json(code, metadataOf(version));
  else answer.json(code, tableOf(version.type, [version], { resourceVersion: version.object.metadata.resourceVersion }, now, rows));
}

/** Sends a list, at the client's pace. */
export async function sendList(answer: Responder, type: ResourceType, page: Page, form: Form, rows: RowObject, now: number): Promise<void> {
  const { versions, metadata } = page;
  if (form === "table") return answer.json(200, tableOf(type, versions, metadata, now, rows));
  if (form === "metadata") return answer.json(200, { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata, items: versions.map(metadataOf) });
  const head = Buffer.from(`{"kind":"${type.listKind}","apiVersion":"${apiVersionOf(type)}","metadata":${JSON.stringify(metadata)},"items":[`);
  const chunks = listChunks(head, versions);
  const first = chunks.next();
  const second = chunks.next();
  if (second.done && !first.done) return answer.send(200, first.value);
  answer.open();
  for (const chunk of [first, second]) if (!chunk.done) answer.write(chunk.value);
  for (const chunk of chunks) {
    await answer.drained();
    if (answer.closed) return;
    answer.write(chunk);
  }
  answer.end();
}

const opening = Buffer.from("{");
const between = Buffer.from(",{");
const end = Buffer.from("]}\n");

function* listChunks(head: Buffer, versions: readonly Version[]): Generator<Bytes> {
  let parts: Buffer[] = [head];
  let size = head.length;
  for (const [i, version] of versions.entries()) {
    const { item } = version;
    parts.push(i === 0 ? opening : between, ...item);
    size += version.size;
    if (size < chunkBytes) continue;
    yield parts;
    parts = [];
    size = 0;
  }
  yield [...parts, end];
}
