/** Differences from the Go daemon that are meant to be (docs/migration.md lists them), so that nobody looks for a fault behind them: pure. */
import { wsman } from "../../gen/proto.js";

type Fields = ReadonlyMap<string, string>;
type Rule = (ours: Fields, theirs: Fields) => string | undefined;

const { WorkspacePhase } = wsman;
const [UNKNOWN, PENDING, CREATING, STOPPING, STOPPED]: readonly number[] = [WorkspacePhase.UNKNOWN, WorkspacePhase.PENDING, WorkspacePhase.CREATING, WorkspacePhase.STOPPING, WorkspacePhase.STOPPED];

function phaseIn(fields: Fields): number {
  return Number(fields.get("phase") ?? UNKNOWN);
}

function isEnding(phase: number): boolean {
  return phase === STOPPING || phase === STOPPED;
}

/** The Go daemon leaves it out. */
const untold = (field: string): Rule => (ours, theirs) => (ours.has(field) && !theirs.has(field) ? "the Go daemon does not tell it" : undefined);

const failure: Rule = (ours, theirs) => (ours.has("conditions.failed") && !theirs.has("conditions.failed") && isEnding(phaseIn(ours)) ? "a failure that was told stays told" : undefined);

const phase: Rule = (ours, theirs) => {
  const [own, other] = [phaseIn(ours), phaseIn(theirs)];
  if (own === STOPPING && other === STOPPED) return "STOPPING is told before STOPPED, of failed starts too";
  if (isEnding(own) && other === UNKNOWN) return "a workspace whose pod has succeeded is stopping";
  return creating(ours, theirs);
};

/** A pod whose init containers run is told as CREATING, with what belongs to that. */
const creating: Rule = (ours, theirs) => (phaseIn(ours) === CREATING && phaseIn(theirs) === PENDING ? "containers count as being created from the first init container on" : undefined);

/** What says why goes with the phase. */
const message: Rule = (ours, theirs) => (ours.get("phase") === theirs.get("phase") ? undefined : phase(ours, theirs));

/** Told by the Go daemon when the pod has gone, with a STOPPED after the first one, which is the last one here. */
const deployed: Rule = (ours, theirs) => (phaseIn(ours) === STOPPED && phaseIn(theirs) === STOPPED ? "nothing follows the first STOPPED" : undefined);

const rules: ReadonlyMap<string, Rule> = new Map([
  ["metadata.team", untold("metadata.team")],
  ["metadata.project", untold("metadata.project")],
  ["conditions.failed", failure],
  ["phase", phase],
  ["message", message],
  ["conditions.pullingImages", creating],
  ["conditions.deployed", deployed],
]);

/** Why a field is to differ; undefined: it is not to, as far as is known. */
export function wantedReason(field: string, ours: Fields, theirs: Fields): string | undefined {
  return rules.get(field)?.(ours, theirs);
}
