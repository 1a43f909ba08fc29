/** The seconds since a moment in milliseconds since the epoch. */
export function secondsSince(began: number): number {
  return (Date.now() - began) / 1000;
}
