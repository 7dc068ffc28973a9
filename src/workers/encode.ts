/** Encoding the statuses of a batch, one behind the other, into one buffer. */
import protobuf from "protobufjs/minimal.js";
import { digestOf } from "../domain/digest.ts";
import type { ResultRange } from "../domain/messages.ts";
import { wsdaemon, wsman } from "../gen/proto.js";
import type { Status } from "./status.ts";

/** Of InitWorkspaceRequest.initializer: field 3, length-delimited. */
const initializerTag = 0x1a;

/** A batch's bytes, growing. One writer for all: its buffer grows once, not once per status. */
export class BatchBytes {
  #writer = protobuf.Writer.create();

  /**
   * Encodes a status. Map entries keep the order of their keys; status_version must not be set.
   * @returns where it stands, and a digest of it: equal for equal bytes, here and on every other worker.
   */
  addStatus(status: Status): ResultRange & { readonly digest: string } {
    const slice = this.#add((writer) => wsman.WorkspaceStatus.encode(status, writer));
    const digest = digestOf(this.#writer.buf.subarray(slice.start, slice.start + slice.length));
    return { ...slice, digest };
  }

  /** Adds text as UTF-8. */
  addText(text: string): ResultRange {
    return this.#add((writer) => writer.raw(Buffer.from(text, "utf8")));
  }

  /** Encodes a request for a workspace's content. @param initializer encoded already: it is taken over as it is. */
  addInit(request: wsdaemon.InitWorkspaceRequest.$Properties, initializer: Uint8Array): ResultRange {
    return this.#add((writer) => wsdaemon.InitWorkspaceRequest.encode(request, writer).uint32(initializerTag).bytes(initializer));
  }

  /** Everything that was added, in a buffer of its own that can be transferred. */
  finish(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#writer.pos);
    this.#writer.finishInto(bytes);
    return bytes;
  }

  #add(write: (writer: protobuf.Writer) => void): ResultRange {
    const start = this.#writer.pos;
    try {
      write(this.#writer);
    } catch (error) {
      this.#dropFrom(start);
      throw error;
    }
    return { start, length: this.#writer.pos - start };
  }

  /** What failed half way leaves the writer inside a nested message: only a new one is sound. */
  #dropFrom(length: number): void {
    const good = this.#writer.buf.subarray(0, length);
    this.#writer = protobuf.Writer.create();
    this.#writer.raw(good);
  }
}
