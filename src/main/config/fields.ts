/** The kinds of value that the configuration file holds. Each takes Go's zero values ("", 0, null) for absent, as the file may have been written by a Go program. */
import { z } from "zod";
import { parseGoDuration } from "../../domain/duration.ts";
import { asObject } from "../../domain/json.ts";
import { parseQuantity } from "../../domain/quantity.ts";
import { parseListenAddress } from "../../domain/listen-address.ts";
import { describeValue } from "./describe-value.ts";
import { Secret } from "./secret.ts";

/** What a field makes of a value: the result, or the words "must be ..." without what was found instead. */
type Parsed<T> = { readonly value: T } | { readonly expected: string };

/** A field of the schema that yields T. */
export type Field<T> = z.ZodType<T>;

/** A field that may be missing, from the file and then from the output. */
export type OptionalField<T> = z.ZodOptional<z.ZodType<T | undefined>>;

const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === "";

function field<T>(parse: (value: unknown) => Parsed<T>, absent: (value: unknown) => boolean, whenAbsent: Parsed<T>, showValue = true): Field<T> {
  // A preprocess, as zod does not ask plain transforms about members that are missing.
  return z.preprocess((value, context) => {
    const parsed = absent(value) ? whenAbsent : parse(value);
    if ("value" in parsed) return parsed.value;
    context.addIssue({ code: "custom", message: absent(value) ? parsed.expected : `${parsed.expected}, got ${showValue ? describeValue(value) : typeof value}` });
    return z.NEVER;
  }, z.custom<T>(() => true));
}

function optional<T>(parse: (value: unknown) => Parsed<T>, absent: (value: unknown) => boolean = isAbsent, showValue = true): OptionalField<T> {
  return field<T | undefined>(parse, absent, { value: undefined }, showValue).optional();
}

const isRequired = { expected: "is required" } as const;

function textOf(value: unknown): Parsed<string> {
  return typeof value === "string" ? { value } : { expected: "must be a string" };
}

/** A text that must be there. */
export function text(): Field<string> {
  return field(textOf, isAbsent, isRequired);
}

/** A text that may be missing. */
export function optionalText(): OptionalField<string> {
  return optional(textOf);
}

/** A text that may be missing, and is kept out of sight. */
export function optionalSecret(): OptionalField<Secret> {
  const parse = (value: unknown): Parsed<Secret> => (typeof value === "string" ? { value: new Secret(value) } : { expected: "must be a string" });
  return optional(parse, isAbsent, false);
}

/** A text that a check accepts; the check says what the text must be, or undefined if all is well. */
export function checkedText(check: (text: string) => string | undefined): Field<string> {
  return field((value) => checked(value, check), isAbsent, isRequired);
}

/** As checkedText, but may be missing. */
export function optionalCheckedText(check: (text: string) => string | undefined): OptionalField<string> {
  return optional((value) => checked(value, check));
}

function checked(value: unknown, check: (text: string) => string | undefined): Parsed<string> {
  if (typeof value !== "string") return { expected: "must be a string" };
  const expected = check(value);
  return expected === undefined ? { value } : { expected };
}

/** true or false; false if missing. */
export function flag(fallback = false): Field<boolean> {
  return field((value) => (typeof value === "boolean" ? { value } : { expected: "must be true or false" }), isAbsent, { value: fallback });
}

/** One of some words, with a default. */
export function choice<const T extends string>(options: readonly T[], fallback: T): Field<T> {
  const parse = (value: unknown): Parsed<T> => {
    const found = options.find((option) => option === value);
    return found === undefined ? { expected: `must be one of ${options.filter((option) => option !== "").join(", ")}` } : { value: found };
  };
  return field(parse, isAbsent, { value: fallback });
}

/** Go's zero duration counts as absent, too. */
const isZeroDuration = (value: unknown): boolean => isAbsent(value) || value === 0 || value === "0" || value === "0s";

function durationOf(value: unknown): Parsed<number> {
  const ms = typeof value === "string" ? parseGoDuration(value) : undefined;
  if (ms === undefined) return { expected: 'must be a Go duration such as "30s" or "1h30m"' };
  return ms > 0 ? { value: ms } : { expected: "must be a duration above zero" };
}

/** A Go duration above zero that must be there; milliseconds. */
export function duration(): Field<number> {
  return field(durationOf, isAbsentDuration, isRequired);
}

const isAbsentDuration = (value: unknown): boolean => isAbsent(value) || value === 0;

/** A Go duration with a default (milliseconds), which zero means as well. */
export function durationWithDefault(fallbackMs: number): Field<number> {
  return field(durationOf, isZeroDuration, { value: fallbackMs });
}

/** A number within bounds, whole unless told otherwise. Zero counts as absent if it is out of bounds. */
interface NumberBounds {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
}

function numberOf(value: unknown, { min, max, whole = true }: NumberBounds): Parsed<number> {
  const fits = typeof value === "number" && value >= min && value <= max && (!whole || Number.isSafeInteger(value));
  return fits ? { value } : { expected: `must be a ${whole ? "whole " : ""}number from ${min} to ${max}` };
}

function isAbsentNumber(bounds: NumberBounds): (value: unknown) => boolean {
  return (value) => isAbsent(value) || (value === 0 && bounds.min > 0);
}

/** A number with a default. */
export function numberWithDefault(fallback: number, bounds: NumberBounds): Field<number> {
  return field((value) => numberOf(value, bounds), isAbsentNumber(bounds), { value: fallback });
}

/** A number that may be missing. */
export function optionalNumber(bounds: NumberBounds): OptionalField<number> {
  return optional((value) => numberOf(value, bounds), isAbsentNumber(bounds));
}

function quantityText(value: unknown): Parsed<string> {
  const text = typeof value === "number" ? String(value) : value;
  const amount = typeof text === "string" ? parseQuantity(text) : undefined;
  if (typeof text !== "string" || amount === undefined) return { expected: 'must be a Kubernetes quantity such as "500m" or "1.5Gi"' };
  return amount < 0 ? { expected: "must be a quantity that is not negative" } : { value: text };
}

/** A Kubernetes quantity that may be missing, in its own notation; YAML may hold a bare number. */
export function optionalQuantity(): OptionalField<string> {
  return optional(quantityText);
}

/** Bytes, as a number or a quantity, with a default. */
export function bytesWithDefault(fallback: number, min: number): Field<number> {
  const parse = (value: unknown): Parsed<number> => {
    const quantity = quantityText(value);
    if ("expected" in quantity) return quantity;
    const bytes = Math.floor(parseQuantity(quantity.value) ?? 0);
    return Number.isSafeInteger(bytes) && bytes >= min ? { value: bytes } : { expected: `must be at least ${min} bytes` };
  };
  return field(parse, (value) => isAbsent(value) || value === 0 || value === "0", { value: fallback });
}

function addressProblem(text: string): string | undefined {
  return parseListenAddress(text) ? undefined : 'must be an address to listen on such as ":8080" or "127.0.0.1:8080"';
}

/** An address to listen on. */
export function listenAddress(): Field<string> {
  return checkedText(addressProblem);
}

/** An address to listen on that may be missing. */
export function optionalListenAddress(): OptionalField<string> {
  return optionalCheckedText(addressProblem);
}

/** A rule about several members of an object. It is asked even if some of them are wrong, and must then hold. */
export interface Rule {
  /** Member that the problem is told of; "a.b" for one of a section. */
  readonly member: string;
  readonly message: string;
  holds(members: Readonly<Record<string, unknown>>): boolean;
}

/** A rule that one duration is not above another. */
export function notAbove(smaller: string, greater: string): Rule {
  return {
    member: greater,
    message: `must not be less than ${smaller}`,
    holds: (members) => !(Number(members[smaller]) > Number(members[greater])),
  };
}

/** An object with these members and no others. A missing one counts as empty, so that what it requires is told by name. */
export function section<Shape extends z.ZodRawShape>(shape: Shape, rules: readonly Rule[] = []): z.ZodType<z.output<z.ZodObject<Shape>>> {
  let object: z.ZodType<z.output<z.ZodObject<Shape>>> = z.strictObject(shape);
  for (const rule of rules) object = object.refine((value) => rule.holds(membersOf(value)), { message: rule.message, path: rule.member.split("."), when: () => true });
  return z.preprocess(emptyIfAbsent, object);
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return asObject(value) ?? {};
}

/** An object whose keys are not known beforehand. */
export function entries<T>(value: Field<T>): Field<Record<string, T>> {
  return z.preprocess(emptyIfAbsent, z.record(z.string(), value));
}

function emptyIfAbsent(value: unknown): unknown {
  return isAbsent(value) ? {} : value;
}
