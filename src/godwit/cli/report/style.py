"""The style sheet of the report: light and dark, wide and narrow, screen and paper. Text only."""

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #23292f; --soft: #66707a; --rule: #e2dfd8;
  --blue: #2f6fa7; --orange: #b8651b; --violet: #76529e; --green: #2e7d5b; --red: #b3372f;
  --wash: #2f6fa71f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --card: #1b2026; --ink: #e4e7ea; --soft: #98a3ad; --rule: #303840;
    --blue: #74afe0; --orange: #e3a062; --violet: #b99be0; --green: #6cc49b; --red: #ee8a80;
    --wash: #74afe026;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 3rem; max-width: 54rem;
  background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 1.65rem; line-height: 1.25; margin: .35rem 0 .5rem; font-weight: 650; }
h2 { font-size: 1.1rem; margin: 2.6rem 0 .5rem; font-weight: 650; }
h3 { font-size: .95rem; margin: 1.5rem 0 .3rem; font-weight: 600; }
p { margin: .4rem 0; }
.soft, footer, figcaption, .from { color: var(--soft); }
.from { font-size: .85rem; }
.outcome { font-size: 1.12rem; padding: .7rem 1rem; border-left: 4px solid var(--soft);
  background: var(--card); border-radius: 0 8px 8px 0; }
.outcome.good { border-color: var(--green); }
.outcome.bad { border-color: var(--red); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.2rem, 1fr)); gap: .7rem;
  margin: 1.2rem 0; padding: 0; }
.fact { background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: .7rem .85rem; }
.fact dt { color: var(--soft); font-size: .82rem; }
.fact dd { margin: 0; }
.fact .value { font-size: 1.2rem; font-weight: 650; line-height: 1.35; }
.fact .against { font-size: .8rem; color: var(--soft); line-height: 1.4; }
.fact.good .value { color: var(--green); }
.fact.bad .value, .bad-text { color: var(--red); }
.about { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 0; }
.about dt { color: var(--soft); }
.about dd { margin: 0; }
figure { margin: .8rem 0 0; background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; padding: .9rem .9rem .7rem; }
figcaption { font-size: .84rem; margin-top: .3rem; }
.legend { font-size: .84rem; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; }
.legend span::before { content: "●"; margin-right: .35em; color: var(--soft); }
.legend .band { opacity: 1; }
.legend .bandwidth::before, .legend .memory::before { color: var(--blue); }
.legend .dirty::before { content: "◆"; color: var(--orange); }
.legend .limit::before { content: "━"; color: var(--violet); }
.legend .throttle::before { content: "━"; color: var(--orange); }
.legend .cap::before { content: "┅"; color: var(--soft); }
.legend .band::before { content: "▬"; color: var(--blue); opacity: .6; }
.legend .fact-mark::before { content: "◆"; color: var(--ink); }
.legend .ring::before { content: "○"; color: var(--soft); }
.legend .promise::before { content: "┅"; color: var(--red); }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg.narrow { display: none; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .strong, svg .number { fill: var(--ink); }
svg .strong { font-weight: 600; }
svg .number { font-size: 11px; }
.grid { stroke: var(--rule); stroke-width: 1; }
.tick { stroke: var(--soft); stroke-width: 1; }
.moment { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.line.memory { stroke: var(--blue); stroke-width: 1.2; }
.area.memory { fill: var(--wash); }
.line.bandwidth { stroke: var(--blue); }
.line.dirty { stroke: var(--orange); }
.line.limit { stroke: var(--violet); stroke-width: 2.4; }
.line.throttle { stroke: var(--orange); stroke-width: 2; }
.postcopy { fill: var(--violet); opacity: .1; }
.band { fill: var(--blue); opacity: .28; }
.likely { stroke: var(--blue); stroke-width: 2; }
.fact-mark { fill: var(--ink); stroke: var(--card); stroke-width: 1; }
svg .off { fill: var(--red); }
.level { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 6 4; }
.level.promise { stroke: var(--red); }
.dot.memory, .dot.bandwidth, .dot.glass { fill: var(--blue); }
.dot.dirty { fill: var(--orange); }
.ring { fill: var(--card); stroke: var(--soft); stroke-width: 1.6; }
.pause { fill: var(--violet); }
rect.pause { opacity: .22; }
.bar { opacity: .75; }
rect.bar.pause { opacity: .95; }
.bar.promise { fill: none; stroke: var(--red); stroke-dasharray: 4 3; }
.bar.limit { fill: var(--violet); opacity: .3; }
.bar.outage { fill: var(--orange); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 500; white-space: nowrap; }
th, td { padding: .38rem .9rem .38rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; overflow-wrap: break-word; }
table.roomy { min-width: 34rem; }
th.right, td.right { text-align: right; white-space: nowrap; }
td.who { white-space: nowrap; }
tr.decision td.who { font-weight: 600; }
.ground { color: var(--soft); }
ul { padding-left: 1.2rem; margin: .4rem 0; }
footer { margin-top: 3rem; font-size: .82rem; border-top: 1px solid var(--rule);
  padding-top: .8rem; }
@media (max-width: 40rem) {
  body { padding: 1.3rem .9rem 2rem; font-size: 15px; }
  h1 { font-size: 1.35rem; }
  figure { padding: .7rem .5rem .6rem; }
  svg.wide { display: none; }
  svg.narrow { display: block; }
  .about { grid-template-columns: 1fr; gap: 0; }
  .about dd { margin-bottom: .4rem; }
  .facts { grid-template-columns: 1fr 1fr; }
}
@media print {
  :root {
    color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #bbb;
    --blue: #1f5a8f; --orange: #9a5010; --violet: #5d3d85; --green: #1f6a4a; --red: #99261f;
  }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  figure, .fact, tr, .outcome { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  svg.wide { display: block; }
  svg.narrow { display: none; }
  .scroll { overflow: visible; }
}
"""
