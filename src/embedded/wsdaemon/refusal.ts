/** The error that a node daemon answers with. */
import { status } from "@grpc/grpc-js";

/** A gRPC status other than OK. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/** What clients are told of an error; one of our own making is INTERNAL. */
export function refusalOf(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal(status.INTERNAL, error instanceof Error ? error.message : "unknown error");
}
