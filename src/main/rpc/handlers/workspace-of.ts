/** The workspace that a call names. */
import type { WorkspaceRecord } from "../../state/registry.ts";
import type { CallDependencies } from "../ports.ts";
import { requireSynced } from "./get-workspaces.ts";

/** The live workspace of an ID. @throws WsmanError UNAVAILABLE before the first complete list, NOT_FOUND if there is none. */
export function workspaceOf({ reader, writer }: Pick<CallDependencies, "reader" | "writer">, id: string | null | undefined): WorkspaceRecord {
  requireSynced(reader);
  return writer.find(id ?? "");
}
