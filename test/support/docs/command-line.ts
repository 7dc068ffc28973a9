/** Checks command lines against the definitions of a program of commander's, without running it. */
import type { Command } from "commander";
import { messageOf } from "../../../src/domain/errors.ts";

/** Where a command line stands: one in a block is to be typed as it is, one in a sentence may be a part of one. */
export type Place = "block" | "sentence";

/** What is not meant as it stands: `FILE`, `HOST:PORT`, `<id>`, `[flags]`, `…`, `$VARIABLE`. */
export function isPlaceholder(word: string): boolean {
  return /^[A-Z][A-Z0-9]*(?:[-_:./][A-Z0-9]+)*$/.test(word) || /[…$]|\.\.\./.test(word) || /^<.*>$|^\[.*\]$/.test(word);
}

/** What is wrong with the words behind a program's name, in words. @param other programs of their own that commands hand over to, by name. */
export function commandLineProblems(program: Command, words: readonly string[], place: Place, others: ReadonlyMap<string, Command> = new Map()): readonly string[] {
  const problems: string[] = [];
  const operands: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === "--") operands.push(...queue.splice(0));
    else if (word.startsWith("-") && word !== "-") problems.push(...optionProblems(program, word, queue, place));
    else if (program.commands.length > 0 && operands.length === 0) {
      if (isPlaceholder(word)) return problems;
      const name = word;
      const command = others.get(name) ?? program.commands.find((each) => each.name() === name || each.aliases().includes(name));
      return [...problems, ...(command ? commandLineProblems(command, queue, place) : [`${program.name()} has no command ${name}`])];
    } else operands.push(word);
  }
  return [...problems, ...operandProblems(program, operands, place)];
}

/** @param rest the words behind the flag; its value is taken from them. */
function optionProblems(command: Command, word: string, rest: string[], place: Place): readonly string[] {
  const [flag = "", ...values] = word.split("=");
  const option = command.options.find(({ long, short }) => long === flag || short === flag);
  if (!option) return flag === "--help" || flag === "-h" ? [] : [`${command.name()} has no flag ${flag}`];
  const hasNext = rest[0] !== undefined && (option.required || !rest[0].startsWith("-"));
  if (!option.required && !option.optional) return values.length > 0 ? [`${flag} of ${command.name()} takes no value`] : [];
  const value = values.length > 0 ? values.join("=") : hasNext ? rest.shift() : undefined;
  if (value === undefined) return option.required && place === "block" ? [`${flag} of ${command.name()} needs a value`] : [];
  return refusal(flag, value, option.parseArg);
}

function operandProblems(command: Command, operands: readonly string[], place: Place): readonly string[] {
  const wanted = command.registeredArguments;
  const given = operands.filter((word) => !/^\[.*\]$/.test(word));
  const isOpen = wanted.at(-1)?.variadic === true;
  if (given.length > wanted.length && !isOpen) return [`${command.name()} takes no ${JSON.stringify(given[wanted.length])}`];
  const missing = wanted[given.length];
  if (place === "block" && missing?.required === true) return [`${command.name()} needs <${missing.name()}>`];
  return given.flatMap((word, i) => refusal(wanted[i]?.name() ?? "", word, wanted[i]?.parseArg));
}

/** Why the program would refuse a value. */
function refusal(what: string, value: string, parse: (<T>(value: string, previous: T) => T) | undefined): readonly string[] {
  if (!parse || isPlaceholder(value)) return [];
  try {
    parse<unknown>(value, undefined);
    return [];
  } catch (error) {
    return [`${what} ${value}: ${messageOf(error)}`];
  }
}
