/** Tells when a configuration file has other content than before. */
import { readFileSync, realpathSync, watch, type FSWatcher } from "node:fs";
import { dirname, resolve } from "node:path";

export interface WatchOptions {
  /** The text already loaded; read from the file where absent. */
  readonly loadedText?: string;
  /** Writers often touch a file several times; the content is read when it has been quiet for so long. */
  readonly quietMs?: number;
  /** Watching has become impossible; SIGHUP still works. */
  readonly onError?: (error: Error) => void;
}
export interface ConfigWatch {
  close(): void;
}

const QUIET_MS = 100;

/**
 * Watch the folder of `path` (and of what it links to: mounted configurations swap links, and a watch on the file itself
 * would stay with the old one). `onChange` gets the new text whenever it differs from the last; a missing file is waited for.
 */
export function watchConfig(path: string, onChange: (text: string) => void, options: WatchOptions = {}): ConfigWatch {
  const file = resolve(path);
  const watchers = new Map<string, FSWatcher>();
  let lastText = options.loadedText ?? readText(file);
  let quiet: NodeJS.Timeout | null = null;
  let closed = false;

  const look = (): void => {
    quiet = null;
    watchFolders();
    const text = readText(file);
    if (text === null || text === lastText) return;
    lastText = text;
    onChange(text);
  };
  const soon = (): void => {
    if (closed) return;
    if (quiet !== null) clearTimeout(quiet);
    quiet = setTimeout(look, options.quietMs ?? QUIET_MS);
    quiet.unref();
  };
  const watchFolders = (): void => {
    const wanted = foldersOf(file);
    for (const [folder, watcher] of watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      watchers.delete(folder);
    }
    for (const folder of wanted) {
      if (watchers.has(folder)) continue;
      const watcher = openWatch(folder, soon, (error) => {
        watchers.delete(folder);
        options.onError?.(error);
      });
      if (watcher !== null) watchers.set(folder, watcher);
    }
  };

  watchFolders();
  // Whatever changed between loading and watching.
  soon();
  return {
    close() {
      closed = true;
      if (quiet !== null) clearTimeout(quiet);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function openWatch(folder: string, onEvent: () => void, onError: (error: Error) => void): FSWatcher | null {
  try {
    const watcher = watch(folder, { persistent: false }, onEvent);
    watcher.on("error", (error) => {
      watcher.close();
      onError(error instanceof Error ? error : new Error(String(error)));
    });
    return watcher;
  } catch (error) {
    onError(error instanceof Error ? error : new Error(String(error)));
    return null;
  }
}

/** The folder of the name, and the folder where the file really is. */
function foldersOf(file: string): ReadonlySet<string> {
  const folders = new Set([dirname(file)]);
  try {
    folders.add(dirname(realpathSync(file)));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return folders;
}

/** null while the file is missing or cannot be read, as between two swaps. */
function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Any refusal of the file system counts as missing for now: what it is will show when the file is back, or at SIGHUP. */
function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}
