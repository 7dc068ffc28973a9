/** GetImageSpec: what the registry facade puts a workspace's image together from (spec: api). */
import protobuf from "protobufjs/minimal.js";
import { WsmanError } from "../../../domain/errors.ts";
import { registryfacade } from "../../../gen/proto.js";
import type { WorkspaceRecord } from "../../state/registry.ts";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { workspaceOf } from "./workspace-of.ts";

/** Tag of GetImageSpecResponse.spec: field 1, length-delimited. */
const specTag = 0x0a;

/** Answers with the image spec, which stays encoded as it is on the pod. */
export function getImageSpec({ reader, writer, imageSpecs }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id } = decodeRequest(registryfacade.GetImageSpecRequest, "registryfacade.GetImageSpecRequest", request);
    const spec = await imageSpecs.get(find({ reader, writer }, id), call.signal);
    return Buffer.from(protobuf.Writer.create().uint32(specTag).bytes(spec).finish());
  };
}

/** The registry facade knows other words for what is not there than everybody else. */
function find(dependencies: Pick<CallDependencies, "reader" | "writer">, id: string | null | undefined): WorkspaceRecord {
  try {
    return workspaceOf(dependencies, id);
  } catch (error) {
    if (error instanceof WsmanError && error.code === "NOT_FOUND") throw new WsmanError("NOT_FOUND", "not found");
    throw error;
  }
}
