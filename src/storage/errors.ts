/** What can be wrong with the place where state is kept. Messages are written for the person who starts the gateway. */
export type StorageProblem =
  | "newer_schema"
  | "older_schema"
  | "corrupt"
  | "unwritable"
  | "foreign_folder"
  | "not_found"
  | "in_use";

export class StorageError extends Error {
  readonly code: StorageProblem;
  constructor(code: StorageProblem, message: string) {
    super(message);
    this.name = "StorageError";
    this.code = code;
  }
}

/** `settle` could not be made durable in time. The charge is kept in memory and written as soon as that is possible. */
export class LedgerUnwritable extends Error {
  readonly code = "ledger_unavailable";
  constructor(message: string) {
    super(message);
    this.name = "LedgerUnwritable";
  }
}
