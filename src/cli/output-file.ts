/** Files that commands write, looked at before the work is done: nobody waits for a run whose result has no place. */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";

/** Why no file can be written at `path`, an absolute one; null: it can, as far as can be seen without writing it. */
export function unwritable(path: string): string | null {
  const folder = dirname(path);
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) return `${path} is a folder`;
  const holder = there === undefined ? statSync(folder, { throwIfNoEntry: false }) : undefined;
  if (there === undefined && holder?.isDirectory() !== true) return `${path} cannot be written: ${holder === undefined ? `there is no folder ${folder}` : `${folder} is no folder`}`;
  try {
    accessSync(there === undefined ? folder : path, constants.W_OK);
    return null;
  } catch (error) {
    return `${path} cannot be written: ${(error as Error).message}`;
  }
}

/** An error of the file system, and not of the code. */
export function isFileError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}
