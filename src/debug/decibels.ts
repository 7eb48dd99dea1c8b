/** Signal to noise of a relative error. */

/** `102 dB`; infinite where nothing differs. */
export function decibels(relL2: number): string {
  if (relL2 === 0) return "inf dB";
  return Number.isFinite(relL2) ? `${Math.round(-20 * Math.log10(relL2))} dB` : "-inf dB";
}
