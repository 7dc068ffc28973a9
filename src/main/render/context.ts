/** Puts together what a workspace is rendered with: its class, and that class's pod templates. */
import type { JsonObject } from "../../domain/json.ts";
import type { WorkspaceClass } from "../config/types.ts";
import { combineTemplates, selectClass, templateFiles } from "./classes.ts";
import type { RenderContext } from "./pod.ts";
import type { WorkspaceStart } from "./start.ts";

/** @param read reads a template of the class; what it rejects with is what this rejects with. @throws WsmanError INVALID_ARGUMENT if there is no class. */
export async function renderContext(
  { workspaceClass: id, type }: Pick<WorkspaceStart, "workspaceClass" | "type">,
  given: Omit<RenderContext, "workspaceClass" | "template">,
  read: (file: string, workspaceClass: WorkspaceClass) => Promise<JsonObject>,
): Promise<RenderContext> {
  const workspaceClass = selectClass(given.manager, id);
  const { base, ofType } = templateFiles(workspaceClass, type);
  const readIfAny = async (file: string | undefined): Promise<JsonObject | undefined> => (file === undefined ? undefined : read(file, workspaceClass));
  const [template, typed] = await Promise.all([readIfAny(base), readIfAny(ofType)]);
  return { ...given, workspaceClass, template: combineTemplates(template, typed) };
}
