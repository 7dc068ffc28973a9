/** Reads what the Containerfile says of the image itself, so that an image that is made without a builder says the same. */

/** How an image is run. */
export interface ImageSettings {
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** KEY=value */
  readonly environment: readonly string[];
  /** As in 8080/tcp. */
  readonly ports: readonly string[];
  readonly workingFolder: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** An instruction, with its continuation lines joined. */
export interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** The stages, each from its FROM on; what stands before the first one is no stage. */
export function stagesOf(text: string): readonly (readonly Instruction[])[] {
  const stages: Instruction[][] = [];
  for (const instruction of instructionsOf(text)) {
    if (instruction.name === "FROM") stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}

/** All instructions. */
export function instructionsOf(text: string): readonly Instruction[] {
  const plain = text.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line)).join("\n").replaceAll(/\\\n\s*/g, "");
  return plain.split("\n").map((line) => {
    const [, name = "", value = ""] = /^\s*(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    return { name: name.toUpperCase(), value };
  });
}

/**
 * The settings of the last stage.
 * @param values of build arguments, which take the place of their defaults.
 */
export function settingsOf(text: string, values: Readonly<Record<string, string>> = {}): ImageSettings {
  const stage = stagesOf(text).at(-1) ?? [];
  const all = (name: string): readonly string[] => stage.filter((instruction) => instruction.name === name).map(({ value }) => value);
  const last = (name: string): string => all(name).at(-1) ?? "";
  const defaults = Object.fromEntries(all("ARG").map((argument) => pairOf(argument)));
  const filled = (value: string): string => value.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? defaults[name] ?? "");
  return {
    user: last("USER"),
    entrypoint: listOf(last("ENTRYPOINT")),
    command: listOf(last("CMD")),
    environment: all("ENV").map((value) => filled(value)),
    ports: all("EXPOSE").flatMap((value) => value.split(/\s+/)).map((port) => (port.includes("/") ? port : `${port}/tcp`)),
    workingFolder: last("WORKDIR"),
    labels: Object.fromEntries(all("LABEL").map((label) => pairOf(filled(label)))),
  };
}

function pairOf(text: string): readonly [string, string] {
  const [, key = "", value = ""] = /^([^=]+)=?"?(.*?)"?$/.exec(text) ?? [];
  return [key, value];
}

/** The words of an instruction in the form that needs no shell, a JSON list; empty if it is in the other form. */
function listOf(value: string): readonly string[] {
  if (!value.startsWith("[")) return [];
  const list: unknown = JSON.parse(value);
  return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
}
