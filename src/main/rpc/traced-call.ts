/** The span of a call: begun when its metadata is there, current while the call is handled, ended with its status. */
import type { Metadata, ServerInterceptingCallInterface } from "@grpc/grpc-js";
import type { ServedSpan, Tracing } from "../tracing/tracing.ts";
import { idIn } from "./request-id.ts";

/** Who hears of what a client sends. */
export type InnerListener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/** Traces one call. */
export interface CallTrace {
  /** A listener that hears all within the call's span. */
  around(listener: InnerListener): InnerListener;
  /** The call ended with this status code. */
  end(code: number): void;
}

/** Begins to trace a call of one method. */
export type MethodTracer = () => CallTrace;

/** Methods of wsman.WorkspaceManager that change statuses. MarkActive hardly ever does, and comes all the time. */
const changing: ReadonlySet<string> = new Set(["StartWorkspace", "StopWorkspace", "SetTimeout", "ControlPort", "ControlAdmission"]);

/** Traces the calls of a method. @param path "/service/Method". */
export function methodTracer(tracing: Tracing, path: string): MethodTracer {
  const [, service = "", method = ""] = path.split("/");
  const changes = service === "wsman.WorkspaceManager" && changing.has(method);
  return () => {
    let span: ServedSpan | undefined;
    const within = (work: () => void): void => (span ? span.run(work) : work());
    return {
      around: (listener) => ({
        onReceiveMetadata(metadata) {
          span = tracing.served({ service, method }, (name) => textOf(metadata, name));
          within(() => listener.onReceiveMetadata(metadata));
        },
        onReceiveMessage(message: unknown) {
          const id = changes && Buffer.isBuffer(message) ? idIn(message) : "";
          if (id !== "") span?.changes(id);
          within(() => listener.onReceiveMessage(message));
        },
        onReceiveHalfClose: () => within(() => listener.onReceiveHalfClose()),
        onCancel: () => within(() => listener.onCancel()),
      }),
      end: (code) => span?.end(code),
    };
  };
}

/** The first value of a header that is text. */
export function textOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === "string" ? value : undefined;
}
