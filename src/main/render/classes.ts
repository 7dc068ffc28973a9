/** Which class a workspace gets, and which pod templates that class has for it. */
import { WsmanError } from "../../domain/errors.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { ManagerConfig, WorkspaceClass } from "../config/types.ts";
import { mergePod } from "./merge.ts";
import type { StartType } from "./start.ts";

/** The class of that ID, or else the default one. @throws WsmanError INVALID_ARGUMENT if there is neither. */
export function selectClass({ workspaceClasses }: Pick<ManagerConfig, "workspaceClasses">, id: string): WorkspaceClass {
  const found = workspaceClasses.find((candidate) => candidate.id === id) ?? workspaceClasses.find((candidate) => candidate.id === "default");
  if (found === undefined) throw new WsmanError("INVALID_ARGUMENT", `workspace class "${id}" is unknown`);
  return found;
}

/** Files of the templates that count for a type; undefined where there is none. */
export function templateFiles({ templates }: WorkspaceClass, type: StartType): { readonly base: string | undefined; readonly ofType: string | undefined } {
  const paths = { REGULAR: templates.regularPath, PREBUILD: templates.prebuildPath, PROBE: templates.probePath, IMAGEBUILD: templates.imagebuildPath } as const;
  return { base: templates.defaultPath, ofType: paths[type] };
}

/** One template of a class's two: the type's is merged under the default one. */
export function combineTemplates(base: JsonObject | undefined, ofType: JsonObject | undefined): JsonObject | undefined {
  return base === undefined ? ofType : mergePod(base, ofType);
}
