/** Numbers as decimal digits in place, without a string in between. */

const zero = 48;

/** Writes a whole number as just so many digits, zeros before it. What does not fit is left out at the front. */
export function writeDigits(target: Uint8Array, at: number, value: number, digits: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const tens = Math.floor(rest / 10);
    target[i] = zero + rest - tens * 10;
    rest = tens;
  }
}
