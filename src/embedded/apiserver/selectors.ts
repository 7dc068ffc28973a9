/** Label selectors: parsed as Kubernetes does, with its words for what is wrong. */
import { badRequest } from "./errors.ts";
import { isObject, own } from "./json.ts";
import { labelNameProblem, labelValueProblem } from "./names.ts";

/** Whether labels fulfil a selector. What is no object of strings counts as having no such label. */
export type LabelMatch = (labels: unknown) => boolean;

const operators = "in, notin, =, ==, !=, gt, lt";
const pattern = /\s*(==|!=|[=!,()<>]|[^\s=!,()<>]+)/gy;

/** Parses a label selector; undefined if it selects everything. Throws ApiError 400. */
export function parseLabelSelector(text: string): LabelMatch | undefined {
  const parser = new Parser(text);
  const requirements = parser.requirements();
  return requirements.length === 0 ? undefined : (labels) => requirements.every((requirement) => requirement(labels));
}

class Parser {
  readonly #tokens: readonly string[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = [...text.matchAll(pattern)].map((match) => match[1] ?? "");
  }

  requirements(): readonly LabelMatch[] {
    const result: LabelMatch[] = [];
    if (this.#tokens.length === 0) return result;
    for (;;) {
      result.push(this.#requirement());
      const token = this.#take();
      if (token === "") return result;
      if (token !== ",") throw badRequest(`found '${token}', expected: ',' or 'end of string'`);
      const next = this.#peek();
      if (next !== "!" && isOperator(next)) throw badRequest(`found '${next}', expected: identifier after ','`);
    }
  }

  #peek(): string {
    return this.#tokens[this.#next] ?? "";
  }

  #take(): string {
    return this.#tokens[this.#next++] ?? "";
  }

  #requirement(): LabelMatch {
    const negated = this.#peek() === "!";
    if (negated) this.#next++;
    const key = this.#peek();
    if (isOperator(key)) throw badRequest(`found '${key}', expected: !, identifier, or 'end of string'`);
    this.#next++;
    const problem = labelNameProblem(key);
    if (problem !== undefined) throw badRequest(`unable to parse requirement: <nil>: Invalid value: "${key}": ${problem}`);
    if (negated) return (labels) => valueOf(labels, key) === undefined;
    const next = this.#peek();
    if (next === "" || next === ",") return (labels) => valueOf(labels, key) !== undefined;
    this.#next++;
    return this.#comparison(key, next);
  }

  #comparison(key: string, operator: string): LabelMatch {
    switch (operator) {
      case "=": case "==": return oneOf(key, this.#single(key));
      case "!=": return noneOf(key, this.#single(key));
      case "in": return oneOf(key, this.#set(key));
      case "notin": return noneOf(key, this.#set(key));
      case ">": case "gt": return compared(key, this.#number(key), 1);
      case "<": case "lt": return compared(key, this.#number(key), -1);
      default: throw badRequest(`unable to parse requirement: found '${operator}', expected: ${operators}`);
    }
  }

  /** One value; none is the empty string. */
  #single(key: string): ReadonlySet<string> {
    const token = this.#peek();
    if (token === "" || token === ",") return new Set([""]);
    if (isOperator(token)) throw badRequest(`unable to parse requirement: found '${token}', expected: identifier`);
    this.#next++;
    return new Set([checked(key, token, 0)]);
  }

  #set(key: string): ReadonlySet<string> {
    const open = this.#take();
    if (open !== "(") throw badRequest(`unable to parse requirement: found '${open}' expected: '('`);
    const values: string[] = [];
    let value = "";
    for (;;) {
      const token = this.#take();
      if (token === "," || token === ")") {
        values.push(checked(key, value, values.length));
        value = "";
        if (token === ")") return new Set(values);
      } else if (isOperator(token) || value !== "") throw badRequest(`unable to parse requirement: found '${token}', expected: ',' or ')'`);
      else value = token;
    }
  }

  #number(key: string): number {
    const [text = ""] = this.#single(key);
    if (!/^[+-]?\d+$/.test(text)) throw badRequest(`unable to parse requirement: values[0]: Invalid value: "${text}": for 'Gt', 'Lt' operators, the value must be an integer`);
    return Number(text);
  }
}

function isOperator(token: string): boolean {
  return token === "" || /^[=!,()<>]/.test(token);
}

function checked(key: string, value: string, index: number): string {
  const problem = labelValueProblem(value);
  if (problem !== undefined) throw badRequest(`unable to parse requirement: values[${index}][${key}]: Invalid value: "${value}": ${problem}`);
  return value;
}

function valueOf(labels: unknown, key: string): string | undefined {
  const value = isObject(labels) ? own(labels, key) : undefined;
  return typeof value === "string" ? value : undefined;
}

function oneOf(key: string, values: ReadonlySet<string>): LabelMatch {
  return (labels) => {
    const value = valueOf(labels, key);
    return value !== undefined && values.has(value);
  };
}

function noneOf(key: string, values: ReadonlySet<string>): LabelMatch {
  const among = oneOf(key, values);
  return (labels) => !among(labels);
}

function compared(key: string, limit: number, sign: number): LabelMatch {
  return (labels) => {
    const value = valueOf(labels, key);
    return value !== undefined && /^[+-]?\d+$/.test(value) && (Number(value) - limit) * sign > 0;
  };
}
