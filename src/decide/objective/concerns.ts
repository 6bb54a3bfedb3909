/** Which requests an objective of keys, teams and others is about. */

/** Is a request on this route, of whoever is in `has`, in all of `scopes`? */
export function concerns(scopes: readonly string[], has: readonly string[], route: string): boolean {
  return scopes.every((scope) => has.includes(scope) || (route !== "" && scope === `route/${route}`));
}
