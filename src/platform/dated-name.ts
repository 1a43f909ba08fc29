/** Fills in `{date}` (`2026-03-01`) and `{time}` (`02-00-00`), both in UTC. */
export function expandDateName(name: string, at: Date): string {
  const [date = '', time = ''] = at.toISOString().split('T');
  return name.replaceAll('{date}', date).replaceAll('{time}', time.slice(0, 8).replaceAll(':', '-'));
}

/** A name from which {@link splitDatedName} has taken dates and times out. */
interface DatedName {
  /** The name as a schedule was given it, perhaps: `nightly-{date}`. */
  readonly series: string;
  /** Its date and then its time, each empty if there is none. Sorts as the time does. */
  readonly at: string;
}

const DATE = /(?<!\d)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)/g;
const TIME = /(?<!\d)(?:[01]\d|2[0-3])-[0-5]\d-[0-5]\d(?!\d)/g;

/** Finds what `{date}` and `{time}` were replaced with: `nightly-2026-03-01` is `nightly-{date}` at `2026-03-01`. */
export function splitDatedName(name: string): DatedName {
  const [date = ''] = name.match(DATE) ?? [];
  const dated = name.replaceAll(DATE, '{date}');
  const [time = ''] = dated.match(TIME) ?? [];
  return { series: dated.replaceAll(TIME, '{time}'), at: `${date}${time}` };
}
