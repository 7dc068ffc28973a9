/** Tokens that open workspaces. */

/** Gives random bytes from a cryptographic source. */
export type RandomBytes = (count: number) => Uint8Array;

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-";
const tokenLength = 32;
/** Bytes from here on would make the alphabet's first letters likelier. */
const usable = 256 - (256 % alphabet.length);
/** A sound source runs out of luck here once in 10^1000 tokens. */
const maxDraws = 64;

/** Makes a token of 32 characters, each as likely as any other. @throws Error if the source gives nothing usable. */
export function randomToken(random: RandomBytes): string {
  const token = Buffer.alloc(tokenLength);
  let length = 0;
  for (let draw = 0; draw < maxDraws; draw++) {
    for (const byte of random(2 * tokenLength)) {
      if (byte < usable) token[length++] = alphabet.charCodeAt(byte % alphabet.length);
      if (length === tokenLength) return token.toString("latin1");
    }
  }
  throw new Error("the source of random numbers is broken");
}
