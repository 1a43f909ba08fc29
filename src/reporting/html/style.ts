/** The page's style: one column of readable width, quiet colours, both themes. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #fcfcfa; --ink: #1c1e21; --muted: #62676e; --rule: #e3e3de; --panel: #f4f4f0;
  --series-1: #1f5fae; --series-2: #c2570c;
  --warn: #8a5a00; --warn-panel: #fdf4dc; --good: #2f6b2a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #141619; --ink: #e7e5e0; --muted: #9da3ab; --rule: #2d3136; --panel: #1c1f23;
    --series-1: #7fb2f5; --series-2: #f2a266;
    --warn: #f0c766; --warn-panel: #2a2415; --good: #9bd08f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 56px 32px 96px; }
header { border-bottom: 1px solid var(--rule); padding-bottom: 32px; }
h1 { font-size: 17px; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 22px; font-weight: 600; letter-spacing: -0.01em; margin: 64px 0 16px; overflow-wrap: anywhere; }
h3 { font-size: 17px; margin: 32px 0 4px; }
h4 { font-size: 14px; font-weight: 600; color: var(--muted); margin: 20px 0 8px; }
h5 { font-size: 13px; font-weight: 600; color: var(--muted); margin: 16px 0 4px; }
.meta { color: var(--muted); font-size: 14px; margin: 4px 0 0; }
.headline { font-size: clamp(24px, 3.6vw, 36px); line-height: 1.25; letter-spacing: -0.02em; margin: 40px 0 0; max-width: 26em; text-wrap: pretty; }
.headline b { font-weight: 650; color: var(--series-1); font-variant-numeric: tabular-nums; white-space: nowrap; }
.subline { color: var(--muted); margin: 16px 0 0; max-width: 44em; overflow-wrap: anywhere; }
.note { color: var(--muted); font-size: 14px; margin: 12px 0 0; max-width: 52em; }
.status { font-size: 13px; font-weight: 500; color: var(--muted); border: 1px solid var(--rule); border-radius: 99px; padding: 1px 10px; margin-left: 6px; vertical-align: 2px; letter-spacing: 0; white-space: nowrap; }
.status.completed { color: var(--good); border-color: currentColor; }
.status.failed, .status.cancelled, .status.paused { color: var(--warn); border-color: currentColor; }
.warnings { background: var(--warn-panel); border-left: 3px solid var(--warn); border-radius: 4px; padding: 16px 24px; margin-top: 32px; }
.warnings h2 { font-size: 16px; margin: 0 0 4px; color: var(--warn); }
.warnings ul { margin: 0; padding-left: 18px; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin-top: 16px; }
table { border-collapse: collapse; min-width: 100%; font-size: 15px; font-variant-numeric: tabular-nums; }
th { font-weight: 500; }
thead th { color: var(--muted); font-size: 13px; vertical-align: bottom; line-height: 1.35; }
th, td { padding: 9px 0 9px 24px; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: baseline; }
th:first-child, td:first-child { padding-left: 8px; }
th:last-child, td:last-child { padding-right: 8px; }
.number { text-align: right; }
td.number { white-space: nowrap; }
small { color: var(--muted); font-size: 12px; margin-left: 4px; display: inline-block; min-width: 3.2em; text-align: left; }
.interval { min-width: 5.9em; }
.heat .interval { color: inherit; opacity: 0.72; display: block; margin: 0; text-align: right; line-height: 1.2; }
.marked td { background: color-mix(in srgb, var(--series-1) 9%, transparent); }
.marked td:first-child { font-weight: 600; }
.heat { background: color-mix(in srgb, var(--series-1) calc(var(--tint) * 0.42), transparent); padding: 9px 14px; border: 2px solid var(--page); width: 7em; }
.heat-table { min-width: min(100%, 560px); }
.heat-table thead th:nth-child(n + 2), .heat-table td:nth-child(2) { padding-right: 16px; }
.example { display: inline-block; max-width: 28em; font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; unicode-bidi: isolate; }
.hash { font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: nowrap; }
.note + .charts { margin-top: 32px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 40px 48px; }
figure { margin: 0; max-width: 520px; }
figcaption { font-weight: 600; font-size: 15px; overflow-wrap: anywhere; }
.key { margin: 2px 0 8px; font-size: 13px; color: var(--muted); }
.key span { margin-right: 16px; white-space: nowrap; }
.key:empty { display: none; }
.key i { display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: 3px; }
.bar { display: block; height: 9px; border-radius: 2px; }
i.reference { background: var(--muted); height: 1px !important; }
.charts.small { grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 20px 16px; margin-top: 16px; }
.charts.small figure { max-width: 260px; }
.charts.small figcaption { font-weight: 500; font-size: 14px; color: var(--muted); }
i.series-1 { background: var(--series-1); } i.series-2 { background: var(--series-2); }
figure svg { display: block; width: 100%; height: auto; }
details { border-bottom: 1px solid var(--rule); }
summary { cursor: pointer; padding: 9px 8px; }
summary:hover { background: var(--panel); }
details[open] { padding-bottom: 16px; }
.judgment summary { display: flex; gap: 12px; align-items: baseline; }
.browser { border: 1px solid var(--rule); border-radius: 8px; margin-top: 24px; overflow: hidden; }
.browser[hidden] { display: none; }
.filters { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; padding: 12px; border-bottom: 1px solid var(--rule); background: var(--panel); }
.filters input, .filters select { font: inherit; font-size: 14px; color: inherit; background: var(--page); border: 1px solid var(--rule); border-radius: 6px; padding: 6px 10px; min-width: 0; max-width: 100%; }
.filters input { flex: 1 1 220px; }
.found { font-size: 13px; color: var(--muted); font-variant-numeric: tabular-nums; margin-left: auto; }
.list { height: 296px; overflow-y: auto; border-bottom: 1px solid var(--rule); contain: strict; }
.list:focus-visible { outline: 2px solid var(--series-1); outline-offset: -2px; }
.row { display: flex; gap: 10px; align-items: center; padding: 0 12px; border-bottom: 1px solid var(--rule); cursor: pointer; font-size: 14px; }
.row:hover { background: var(--panel); }
.row[aria-selected='true'] { background: color-mix(in srgb, var(--series-1) 14%, transparent); }
.row .judge, .row .side { flex: none; width: 2em; color: var(--muted); white-space: nowrap; }
.row .line { flex: 1; }
.outcome { flex: none; font-size: 12px; border-radius: 4px; padding: 0 7px; border: 1px solid var(--rule); color: var(--muted); }
.outcome.kept { color: var(--good); border-color: currentColor; }
.detail { padding: 4px 20px 24px; }
.detail .passage { max-height: 26em; overflow-y: auto; }
.detail:empty::before { content: 'Nothing matches.'; display: block; padding: 24px 0; color: var(--muted); }
.orders { display: flex; flex-wrap: wrap; gap: 6px; margin: 8px 0 0; }
.orders button { font: inherit; font-size: 13px; color: inherit; background: var(--page); border: 1px solid var(--rule); border-radius: 99px; padding: 1px 12px; cursor: pointer; }
.orders button[aria-pressed='true'] { border-color: var(--series-1); color: var(--series-1); }
.kept .passage { box-shadow: inset 3px 0 0 var(--series-1); }
::highlight(found) { background: color-mix(in srgb, var(--series-2) 35%, transparent); }
.line { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; unicode-bidi: plaintext; }
.passage, pre { background: var(--panel); border-radius: 6px; padding: 10px 14px; white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; font-size: 15px; margin: 0; unicode-bidi: plaintext; }
pre:not(.passage) { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.responses { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 0 16px; }
.response { min-width: 0; }
.better .passage { box-shadow: inset 3px 0 0 var(--good); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 24px; margin: 8px; font-size: 15px; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 600px) {
  main { padding: 28px 16px 64px; }
  h2 { margin-top: 48px; }
  .filters select { flex: 1 1 40%; }
  .row .outcome:nth-child(n + 5) { display: none; }
  th, td { padding-left: 18px; }
}
@media print { .browser { display: none; } .sample { display: block !important; } details > * { display: block; } .scroll { overflow: visible; } }
`;
