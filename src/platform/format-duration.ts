/** Formats seconds in the two largest units: "8.4 s", "3 min 20 s", "2 d 4 h". */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined) return '–';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const units = [
    { name: 'd', seconds: 86_400 },
    { name: 'h', seconds: 3600 },
    { name: 'min', seconds: 60 },
    { name: 's', seconds: 1 },
  ];
  const rounded = Math.round(seconds);
  const first = units.findIndex((unit) => rounded >= unit.seconds);
  let rest = rounded;
  return units
    .slice(first, first + 2)
    .map((unit) => {
      const amount = Math.floor(rest / unit.seconds);
      rest -= amount * unit.seconds;
      return amount > 0 ? `${amount} ${unit.name}` : '';
    })
    .filter(Boolean)
    .join(' ');
}
