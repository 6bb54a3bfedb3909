/** An alert as each kind of channel writes it. */
import type { Notice } from "../wire/notice.ts";

const TITLE_MAX = 200;
const TEXT_MAX = 2_500;
/** What Slack takes in one section. */
const SLACK_FIELDS_MAX = 10;
const SLACK_FIELD_MAX = 500;

/** The body of a webhook. `id` is the same at every try, so that a receiver can tell a repeat. */
export function webhookBody(id: string, notice: Notice): string {
  return JSON.stringify({
    id,
    kind: notice.kind,
    severity: notice.severity,
    title: notice.title,
    text: notice.text,
    fields: notice.fields,
    at: new Date(notice.atMs).toISOString(),
    tenant: notice.tenant,
    scopes: notice.scopes,
    dedup_key: notice.dedupKey,
  });
}

/** The body of an incoming webhook of Slack's form; `text` is what those show that know no blocks. */
export function slackBody(notice: Notice): string {
  const title = escaped(clipped(oneLine(notice.title), TITLE_MAX));
  const text = escaped(clipped(notice.text, TEXT_MAX));
  const blocks: unknown[] = [{ type: "section", text: { type: "mrkdwn", text: `*${notice.severity.toUpperCase()}: ${title}*\n${text}` } }];
  const fields = Object.entries(notice.fields).filter(([, value]) => value !== null).slice(0, SLACK_FIELDS_MAX);
  if (fields.length > 0) {
    blocks.push({ type: "section", fields: fields.map(([name, value]) => ({ type: "mrkdwn", text: clipped(`*${escaped(name)}*\n${escaped(String(value))}`, SLACK_FIELD_MAX) })) });
  }
  blocks.push({ type: "context", elements: [{ type: "mrkdwn", text: `Spillway · ${notice.kind} · ${escaped(notice.tenant)} · ${new Date(notice.atMs).toISOString()}` }] });
  return JSON.stringify({ text: `${notice.severity.toUpperCase()}: ${title}\n${text}`, blocks });
}

/** Subject and text of a mail. */
export function mailOf(notice: Notice): { readonly subject: string; readonly text: string } {
  const fields = Object.entries(notice.fields).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
  const foot = `-- \nSpillway, ${notice.kind}, ${notice.tenant}, ${new Date(notice.atMs).toISOString()}`;
  return {
    subject: clipped(`[Spillway] ${notice.severity}: ${oneLine(notice.title)}`, TITLE_MAX),
    text: `${[clipped(notice.text, TEXT_MAX), ...(fields.length === 0 ? [] : [fields.join("\n")]), foot].join("\n\n")}\n`,
  };
}

/** Names may hold what Slack would read as a link, or as a call to everybody. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function clipped(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}
