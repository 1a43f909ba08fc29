/** Fills in `{date}` (`2026-03-01`) and `{time}` (`02-00-00`), both in UTC. */
export function expandDateName(name: string, at: Date): string {
  const [date = '', time = ''] = at.toISOString().split('T');
  return name.replaceAll('{date}', date).replaceAll('{time}', time.slice(0, 8).replaceAll(':', '-'));
}
