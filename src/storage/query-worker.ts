/**
 * Answers questions that read many rows, in a thread of its own with connections of its own, so that no request waits for
 * a report. Each has a time; what is asked piece by piece is kept for a while.
 */
import { existsSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { QueryError, type QueryOrder, type QueryReply, type RequestQuery, type UsageQuery, type UsageRow } from "../control/reports.ts";
import { verifyAuditFile } from "./control.ts";
import type { QuerySetup } from "./queries.ts";
import { SqliteReader } from "./reader.ts";
import { RequestSearch } from "./request-search.ts";
import { messageOf, openForReading } from "./schema.ts";
import { UsageReader } from "./usage.ts";

const setup = workerData as QuerySetup;
const port = parentPort;
if (port === null) throw new Error("the query worker runs as a worker thread only");

/** Requests of a page are looked for so long; then the page is as long as it is. */
const PAGE_MS = 2_000;
const PIECE_ROWS = 500;
/** Listings that are being read piece by piece; of more the oldest ends. */
const OPEN_MAX = 4;

const db = openForReading(setup.ledgerPath);
const reader = new SqliteReader(setup.ledgerPath, () => true);
const usage = new UsageReader(db);
const requests = new RequestSearch(db, reader);
const open = new Map<number, Iterator<readonly UsageRow[]>>();

function answer({ id, verb, argument }: QueryOrder): unknown {
  const startMs = performance.now();
  const goOn = (): void => {
    if (performance.now() - startMs > setup.limitMs) throw new QueryError("slow", `This takes longer than ${setup.limitMs / 1_000} s: ask for a shorter time.`);
  };
  switch (verb) {
    case "usage":
    case "movers": {
      const { query, limit } = argument as { readonly query: UsageQuery; readonly limit: number };
      return verb === "usage" ? usage.report(query, limit, goOn) : usage.movers(query, limit, goOn);
    }
    case "open":
      open.set(id, pieces(usage.rows(argument as UsageQuery, goOn)));
      for (const oldest of open.keys()) if (open.size > OPEN_MAX) open.delete(oldest);
      return id;
    case "more": {
      const listing = open.get(argument as number);
      if (listing === undefined) throw new QueryError("busy", "Too many reports are being read at once.");
      const next = listing.next();
      if (next.done === true) open.delete(argument as number);
      return next.done === true ? null : next.value;
    }
    case "close":
      return open.delete(argument as number);
    case "requests":
      return requests.page(argument as RequestQuery, () => performance.now() - startMs > PAGE_MS);
    case "request": {
      const { tenant, id: requestId } = argument as { readonly tenant: string; readonly id: string };
      return requests.one(tenant, requestId);
    }
    case "verifyAudit":
      return existsSync(setup.controlPath) ? verifyAuditFile(setup.controlPath) : null;
  }
}

function* pieces(rows: readonly UsageRow[]): Generator<readonly UsageRow[]> {
  for (let i = 0; i < rows.length; i += PIECE_ROWS) yield rows.slice(i, i + PIECE_ROWS);
}

port.on("message", (order: QueryOrder) => {
  let reply: QueryReply;
  try {
    reply = { id: order.id, value: answer(order) };
  } catch (error) {
    reply = { id: order.id, code: error instanceof QueryError ? error.code : "failed", message: messageOf(error) };
  }
  port.postMessage(reply);
});
