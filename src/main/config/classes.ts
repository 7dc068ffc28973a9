/** Checks of workspace classes that look beyond single values: their IDs, and the files they name. */
import { asObject, objectAt, type JsonObject } from "../../domain/json.ts";
import { isLabelValue } from "../../domain/kubernetes-names.ts";
import { podTemplateProblem, type TemplateProblem } from "./pod-template.ts";
import { pathOf, type Problem } from "./problems.ts";

/** The class of workspaces that ask for none that exists. */
const defaultClass = "default";

/** What is wrong with classes: with themselves, and with files of pod templates that can not be read, as where the daemon does not run. */
export interface ClassProblems {
  readonly problems: readonly Problem[];
  readonly unread: readonly Problem[];
}

/** What is wrong with the classes of a parsed file, as they stand there: so that it is told together with everything else. */
export async function classProblems(document: unknown): Promise<ClassProblems> {
  const manager = objectAt(asObject(document), "manager");
  const classes = manager?.["workspaceClass"] ?? {};
  // A value of the wrong kind is the schema's to tell.
  if (classes !== "" && asObject(classes) === undefined) return { problems: [], unread: [] };
  const byId = asObject(classes) ?? {};
  const { problems, unread } = await templateProblems(byId);
  return { problems: [...idProblems(byId), ...problems], unread };
}

function idProblems(classes: JsonObject): Problem[] {
  const ids = Object.keys(classes);
  const message = "is no label value: a class ID has at most 63 letters, digits, dots, dashes and underscores, the first and last of them letters or digits";
  const problems = ids.filter((id) => id === "" || !isLabelValue(id)).map((id) => ({ path: classPath(id), message }));
  if (!ids.includes(defaultClass)) problems.push({ path: classPath(defaultClass), message: "is required: workspaces that ask for no class, or one that does not exist, get it" });
  return problems;
}

async function templateProblems(classes: JsonObject): Promise<ClassProblems> {
  const found = { problems: new Array<Problem>(), unread: new Array<Problem>() };
  const seen = new Map<string, TemplateProblem | undefined>();
  for (const { id, name, file } of templateFiles(classes)) {
    if (!seen.has(file)) seen.set(file, await podTemplateProblem(file));
    const wrong = seen.get(file);
    if (wrong) found[wrong.unread ? "unread" : "problems"].push({ path: classPath(id, "templates", name), message: wrong.problem });
  }
  return found;
}

function* templateFiles(classes: JsonObject): Generator<{ id: string; name: string; file: string }> {
  for (const [id, members] of Object.entries(classes)) {
    for (const [name, file] of Object.entries(objectAt(asObject(members), "templates") ?? {})) {
      if (typeof file === "string" && file !== "") yield { id, name, file };
    }
  }
}

function classPath(id: string, ...members: readonly string[]): string {
  return pathOf(["manager", "workspaceClass", id, ...members]);
}
