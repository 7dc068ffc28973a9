/**
 * Parses a pod's JSON without what nothing looks at: managed fields and most of the spec are most of a pod's bytes, and take most of the parser's time.
 * What is left out is followed for its strings and brackets only. What is not written as API servers write it is parsed as it is.
 */

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
/** `{` and `[` are `{` once this bit is set, `}` and `]` are `}`. */
const caseBit = 0x20;
/** The end of a longer string is searched for in one go, which pays only then. */
const shortString = 32;

/** What becomes of a member: kept or dropped as a whole (a list of objects that have no lists in them: faster), or looked into. */
type Fate = "keep" | "drop" | "dropObjects" | Rule;

/** What becomes of an object's members, or of those of the objects in a list. */
interface Rule {
  readonly members: readonly { readonly name: Buffer; readonly fate: Fate }[];
  readonly others: Fate;
}

function rule(members: Readonly<Record<string, Fate>>, others: Fate): Rule {
  return { members: Object.entries(members).map(([name, fate]) => ({ name: Buffer.from(name), fate })), others };
}

const containers = rule({ name: "keep", image: "keep" }, "drop");
const pod = rule({ metadata: rule({ managedFields: "dropObjects" }, "keep"), spec: rule({ nodeName: "keep", containers }, "drop") }, "keep");
const watchLine = rule({ object: pod }, "keep");

/** Thrown inside, never outside. */
const unusual = new Error("not as API servers write it");

/** Bytes that what is kept of a pod usually has, and a buffer beyond which none is kept for the next one. */
const usualBytes = 16 * 1024;
const maxSpareBytes = 1024 * 1024;
const none = Buffer.alloc(0);

/** Parses texts, one after the other, and uses its buffer again. */
export class PodParser {
  #bytes: Buffer = none;
  #at = 0;
  /** What was gathered, and from where on in the text what follows is kept. */
  #kept = Buffer.allocUnsafeSlow(usualBytes);
  #length = 0;
  #from = 0;

  /**
   * The value of a watch's line, or of a bare pod, where what readPod does not look at may be missing.
   * @throws SyntaxError if it is not valid JSON; that it is not may go unnoticed within what is left out.
   */
  parse(bytes: Buffer, source: "watch" | "object"): unknown {
    const text = this.#shortened(bytes, source === "watch" ? watchLine : pod);
    this.#bytes = none;
    if (this.#kept.length > maxSpareBytes) this.#kept = Buffer.allocUnsafeSlow(usualBytes);
    if (text !== undefined) {
      try {
        return JSON.parse(text);
      } catch {
        // Cut in the wrong places, or wrong already: the whole of it tells.
      }
    }
    return JSON.parse(bytes.toString("utf8"));
  }

  /** Undefined if there is nothing to leave out, or it is not known what. */
  #shortened(bytes: Buffer, whole: Rule): string | undefined {
    this.#bytes = bytes;
    this.#at = 0;
    this.#length = 0;
    this.#from = 0;
    if (!this.#cutAll(whole) || this.#from === 0) return undefined;
    this.#cut(bytes.length, bytes.length);
    return this.#kept.toString("utf8", 0, this.#length);
  }

  /** False if it is to be left as it is. */
  #cutAll(whole: Rule): boolean {
    try {
      this.#value(whole);
      return this.#at === this.#bytes.length;
    } catch (error) {
      if (error === unusual) return false;
      throw error;
    }
  }

  /** A value that a rule is for; if it is of another type, it is kept. */
  #value(fates: Rule): void {
    const byte = this.#bytes[this.#at];
    if (byte === openBrace) this.#object(fates);
    else if (byte === openBracket) this.#list(fates);
    else this.#skip();
  }

  #list(fates: Rule): void {
    if (this.#bytes[++this.#at] === closeBracket) {
      this.#at++;
      return;
    }
    do {
      // Lists in lists have no rule, and may be nested as deeply as anyone likes.
      if (this.#bytes[this.#at] === openBrace) this.#object(fates);
      else this.#skip();
    } while (this.#continues(closeBracket));
  }

  #object(fates: Rule): void {
    if (this.#bytes[++this.#at] === closeBrace) {
      this.#at++;
      return;
    }
    // Behind the brace, or the last member that is kept, or the comma before the present member.
    const begin = this.#at;
    let keptEnd = begin;
    let start = begin;
    let dropping = false;
    do {
      start = this.#at;
      const fate = this.#fate(fates);
      if (fate === "drop" || fate === "dropObjects") {
        if (fate === "drop") this.#skip();
        else this.#skipObjects();
        dropping = true;
        continue;
      }
      if (dropping) this.#cut(keptEnd, keptEnd === begin ? start : start - 1);
      dropping = false;
      if (fate === "keep") this.#skip();
      else this.#value(fate);
      keptEnd = this.#at;
    } while (this.#continues(closeBrace));
    if (dropping) this.#cut(keptEnd, this.#at - 1);
  }

  /** Behind a comma or behind the last bracket: which of them it was. */
  #continues(close: number): boolean {
    const byte = this.#bytes[this.#at++];
    if (byte === comma) return true;
    if (byte === close) return false;
    throw unusual;
  }

  /** Reads a member's name and what is to become of the member. */
  #fate({ members, others }: Rule): Fate {
    const bytes = this.#bytes;
    const from = this.#at + 1;
    if (bytes[this.#at] !== quote) throw unusual;
    let end = from;
    for (let byte = bytes[end]; byte !== quote; byte = bytes[++end]) {
      // An escaped name may be any.
      if (byte === undefined || byte === backslash) throw unusual;
    }
    if (bytes[end + 1] !== colon) throw unusual;
    this.#at = end + 2;
    for (const { name, fate } of members) if (name.length === end - from && isAt(bytes, from, name)) return fate;
    return others;
  }

  /** To behind a value. */
  #skip(): void {
    const bytes = this.#bytes;
    const byte = bytes[this.#at] ?? 0;
    if (byte === quote) this.#at = this.#stringEnd(this.#at + 1);
    else if ((byte | caseBit) === openBrace) this.#skipNested();
    else this.#skipScalar();
  }

  #skipNested(): void {
    const bytes = this.#bytes;
    const end = bytes.length;
    let depth = 0;
    let at = this.#at;
    while (at < end) {
      const byte = bytes[at++] ?? 0;
      if (byte === quote) at = this.#stringEnd(at);
      else if ((byte | caseBit) === openBrace) depth++;
      else if ((byte | caseBit) === closeBrace && --depth === 0) {
        this.#at = at;
        return;
      }
    }
    throw unusual;
  }

  /**
   * Objects without lists in them: the list ends with the first `}]`, which is found without looking at every byte. Should it stand in a string, or the list be another one after all,
   * then what is left has quotes or brackets without a partner, and does not parse.
   */
  #skipObjects(): void {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== openBracket || bytes[this.#at + 1] !== openBrace) {
      this.#skip();
      return;
    }
    let end = bytes.indexOf(closeBracket, this.#at);
    while (end > 0 && bytes[end - 1] !== closeBrace) end = bytes.indexOf(closeBracket, end + 1);
    if (end < 0) throw unusual;
    this.#at = end + 1;
  }

  #skipScalar(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let byte = bytes[at]; byte !== undefined && byte !== comma && (byte | caseBit) !== closeBrace; byte = bytes[at]) at++;
    if (at === this.#at) throw unusual;
    this.#at = at;
  }

  /** Behind the closing quote of a string whose content begins here. */
  #stringEnd(from: number): number {
    const bytes = this.#bytes;
    const soon = Math.min(bytes.length, from + shortString);
    for (let at = from; at < soon; at++) {
      const byte = bytes[at];
      if (byte === quote) return at + 1;
      if (byte === backslash) at++;
    }
    return this.#farEnd(from);
  }

  #farEnd(from: number): number {
    const bytes = this.#bytes;
    for (let end = bytes.indexOf(quote, from); end >= 0; end = bytes.indexOf(quote, end + 1)) {
      let escapes = end;
      while (escapes > from && bytes[escapes - 1] === backslash) escapes--;
      if ((end - escapes) % 2 === 0) return end + 1;
    }
    throw unusual;
  }

  /** What stands between two places of the text is dropped. */
  #cut(from: number, to: number): void {
    const length = this.#length + from - this.#from;
    if (length > this.#kept.length) this.#kept = Buffer.concat([this.#kept], length * 2);
    this.#bytes.copy(this.#kept, this.#length, this.#from, from);
    this.#length = length;
    this.#from = to;
  }
}

function isAt(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
