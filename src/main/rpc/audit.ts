/** The audit: one log line for each call that changes something, with who, what and how it ended; nothing of the request but the workspace's ID. */
import { status } from "@grpc/grpc-js";
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import type { Answer, UnaryCall, UnaryHandler } from "./calls.ts";
import { idIn } from "./request-id.ts";
import { toStatus } from "./status.ts";

/** A handler whose calls are told of in the log. */
export function audited(method: string, handler: UnaryHandler, clock: Clock, log: Log): UnaryHandler {
  const tell = (request: Buffer, { address, subject }: UnaryCall["peer"], since: number, code: status): void => {
    const ms = Math.round((clock.monotonic() - since) * 10) / 10;
    log.info({ audit: method, id: idIn(request), client: address, ...(subject !== undefined && { subject }), code: status[code] ?? code, ms }, "call");
  };
  return async (request, call): Promise<Answer> => {
    // A client that has gone can not be asked any more.
    const [since, peer] = [clock.monotonic(), call.peer];
    try {
      const answer = await handler(request, call);
      tell(request, peer, since, status.OK);
      return answer;
    } catch (error) {
      tell(request, peer, since, toStatus(error).code);
      throw error;
    }
  };
}

/** A handler that changes something only where it does not answer at once: of those calls alone the log tells, and the others cost nothing. */
export function auditedWhereItWaits(method: string, handler: UnaryHandler, clock: Clock, log: Log): UnaryHandler {
  return (request, call) => {
    const answer = handler(request, call);
    if (!(answer instanceof Promise)) return answer;
    return audited(method, () => answer, clock, log)(request, call);
  };
}
