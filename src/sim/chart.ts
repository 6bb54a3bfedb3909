/** A time series as a small SVG: what was missed, what it cost, and who served, one row each, policies in colours. */
import type { Report } from "./report.ts";

const WIDTH = 960;
const ROW_HEIGHT = 150;
const LEFT = 70;
const RIGHT = 20;
const TOP = 34;
const POINTS = 320;
const LEGEND_WIDTH = 175;
const LEGEND_ROW = 16;
const PER_LEGEND_ROW = Math.floor((WIDTH - LEFT - RIGHT) / LEGEND_WIDTH);
const COLOURS = ["#0b6e4f", "#c1292e", "#235789", "#f1a208", "#7a4988", "#555b6e", "#00a6a6", "#b07d62"];

interface Row {
  readonly title: string;
  readonly of: (report: Report) => readonly number[];
  readonly unit: (value: number) => string;
}

/** Draw the reports of one world, side by side; incidents are grey. */
export function chart(reports: readonly Report[]): string {
  const top = TOP + LEGEND_ROW * (Math.ceil(reports.length / PER_LEGEND_ROW) - 1);
  const spans = Math.max(1, ...reports.map(({ series }) => series.rows.length));
  const step = Math.ceil(spans / POINTS);
  const rows: readonly Row[] = [
    { title: "requests failed or broken off, %", of: (report) => shares(report, step, ({ failed, broken }) => failed + broken), unit: percent },
    ...(reports[0]?.objectives ?? []).map((objective, i): Row => ({ title: `missed ${objective.name}, % (allowed ${percent(1 - objective.target)})`, of: (report) => shares(report, step, ({ missed }) => missed[i] ?? 0), unit: percent })),
    { title: "extra calls, %", of: (report) => shares(report, step, ({ extra }) => extra), unit: percent },
    { title: "USD per 1,000 requests", of: (report) => shares(report, step, ({ costUsd }) => 1_000 * costUsd), unit: (value) => value.toPrecision(3) },
  ];
  const height = top + rows.length * ROW_HEIGHT + 30;
  const legend = reports.map(({ policy }, i) => `<text x="${LEFT + (i % PER_LEGEND_ROW) * LEGEND_WIDTH}" y="${20 + Math.floor(i / PER_LEGEND_ROW) * LEGEND_ROW}" fill="${colour(i)}">${escaped(policy)}</text>`);
  const lastMs = spans * (reports[0]?.series.spanMs ?? 0);
  const bands = bandsOf(reports[0], lastMs, top, height - 30);
  const drawn = rows.map((row, i) => drawRow(row, reports, top + i * ROW_HEIGHT));
  const ends = `<text x="${LEFT}" y="${height - 8}">0</text><text x="${WIDTH - RIGHT}" y="${height - 8}" text-anchor="end">${(lastMs / 3_600_000).toFixed(1)} h</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${bands}${legend.join("")}${drawn.join("")}${ends}</svg>\n`;
}

/** The incidents of the world, behind all rows. */
function bandsOf(report: Report | undefined, lastMs: number, top: number, bottom: number): string {
  const x = (ms: number): number => LEFT + (Math.min(ms, lastMs) / Math.max(1, lastMs)) * (WIDTH - LEFT - RIGHT);
  return (report?.incidents ?? []).filter(({ fromMs }) => fromMs < lastMs).map(({ label, deployment, fromMs, toMs }) =>
    `<rect x="${x(fromMs).toFixed(1)}" y="${top}" width="${Math.max(0.5, x(toMs) - x(fromMs)).toFixed(1)}" height="${bottom - top}" fill="#000" fill-opacity="0.06"><title>${escaped(`${deployment}: ${label}`)}</title></rect>`).join("");
}

function drawRow({ title, of, unit }: Row, reports: readonly Report[], y: number): string {
  const lines = reports.map(of);
  const max = Math.max(1e-9, ...lines.flat());
  const bottom = y + ROW_HEIGHT - 16;
  const top = y + 20;
  const paths = lines.map((values, i) => {
    const points = values.map((value, at) => {
      const x = LEFT + (at / Math.max(1, values.length - 1)) * (WIDTH - LEFT - RIGHT);
      return `${x.toFixed(1)},${(bottom - (value / max) * (bottom - top)).toFixed(1)}`;
    });
    return `<polyline fill="none" stroke="${colour(i)}" stroke-width="1.2" points="${points.join(" ")}"/>`;
  });
  const axis = `<line x1="${LEFT}" y1="${bottom}" x2="${WIDTH - RIGHT}" y2="${bottom}" stroke="#bbb"/><text x="${LEFT - 6}" y="${top + 4}" text-anchor="end">${unit(max)}</text><text x="${LEFT - 6}" y="${bottom}" text-anchor="end">0</text>`;
  return `<text x="${LEFT}" y="${y + 12}" fill="#333">${escaped(title)}</text>${axis}${paths.join("")}`;
}

/** Per request, over so many spans at a time. */
function shares({ series }: Report, step: number, of: (row: Report["series"]["rows"][number]) => number): readonly number[] {
  const values: number[] = [];
  for (let i = 0; i < series.rows.length; i += step) {
    let requests = 0;
    let sum = 0;
    for (const row of series.rows.slice(i, i + step)) {
      requests += row.requests;
      sum += of(row);
    }
    values.push(requests === 0 ? 0 : sum / requests);
  }
  return values;
}

function percent(value: number): string {
  return `${(100 * value).toPrecision(3)} %`;
}

function colour(i: number): string {
  return COLOURS[i % COLOURS.length] as string;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
