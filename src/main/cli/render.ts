/** Command `render`: a StartWorkspaceRequest on the standard input, the pod and the claim that a start would create on the standard output. */
import { randomBytes } from "node:crypto";
import { WsmanError } from "../../domain/errors.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { wsman } from "../../gen/proto.js";
import { readPodTemplate } from "../config/pod-template.ts";
import type { Config } from "../config/index.ts";
import { renderContext } from "../render/context.ts";
import { renderPod, type RenderContext } from "../render/pod.ts";
import { renderPvc } from "../render/pvc.ts";
import { readStart, type WorkspaceStart } from "../render/start.ts";
import { randomToken } from "../render/token.ts";
import { invalidStart, startProblems, type FieldProblem } from "../render/validation.ts";
import { loadConfig } from "./config-flags.ts";
import { exitCodes, failWithJson } from "./errors.ts";
import { readInput, type Io } from "./io.ts";
import { readStartRequest, startInput } from "./start-request.ts";
import { sanitize, toSafeJson } from "./text.ts";

/** Flags of `render`. */
export interface RenderFlags {
  readonly config: string;
  /** Tokens; default: random ones. */
  readonly ownerToken?: string | undefined;
  readonly cliApiKey?: string | undefined;
}

/** Renders; what can not be done is told as failWithJson says. What StartWorkspace would refuse is rendered with a warning. Resolves with the exit code. */
export async function renderCommand(io: Io, flags: RenderFlags): Promise<number> {
  const warn = (text: string): void => void io.stderr.write(`warning: ${sanitize(text)}\n`);
  try {
    const config = await loadConfig(io, flags.config);
    const request = readStartRequest(await readInput(io, startInput("redirect a file: wsmand render ... < FILE")), warn);
    const problems = startProblems(request);
    const start = readable(request, problems);
    if (problems.length > 0) warn(`StartWorkspace would refuse this: ${invalidStart(problems).message}`);
    const context = await contextOf(start, config, flags);
    const rendered = { pod: renderPod(start, context), pvc: claimOf(start, context, warn) };
    io.stdout.write(`${toSafeJson(rendered, 2)}\n`);
    return exitCodes.ok;
  } catch (error) {
    return failWithJson(io, error);
  }
}

/** The request as it is rendered. @throws WsmanError with all problems, as StartWorkspace has them, if one of them keeps it from being rendered. */
function readable(request: wsman.StartWorkspaceRequest, problems: readonly FieldProblem[]): WorkspaceStart {
  try {
    return readStart(request);
  } catch (error) {
    throw problems.length > 0 ? invalidStart(problems) : error;
  }
}

function contextOf(start: WorkspaceStart, { manager, wsmand }: Config, flags: RenderFlags): Promise<RenderContext> {
  const { seccompField } = wsmand.pods;
  return renderContext(start, { manager, seccompField, ownerToken: flags.ownerToken ?? randomToken(randomBytes), cliApiToken: flags.cliApiKey ?? randomToken(randomBytes) }, readPodTemplate);
}

/** The claim, or null. A class without claims is a warning here, so that the pod can be seen. */
function claimOf(start: WorkspaceStart, context: RenderContext, warn: (text: string) => void): JsonObject | null {
  try {
    return renderPvc(start, context) ?? null;
  } catch (error) {
    if (!(error instanceof WsmanError)) throw error;
    warn(`StartWorkspace would refuse this: ${error.message}`);
    return null;
  }
}
