/** Who may do what with objects of a kind, in the few ways that occur. */
import type { Kind, Role } from "../types.ts";

type Access = Kind["access"];

export const EVERYBODY: readonly Role[] = ["owner", "admin", "billing", "developer", "viewer"];
export const ADMINS: readonly Role[] = ["owner", "admin"];
export const MONEY: readonly Role[] = ["owner", "admin", "billing"];

/** Structure: administrators change it, everybody sees it. */
export const STRUCTURE: Access = { create: ADMINS, read: EVERYBODY, update: ADMINS, delete: ADMINS };
/** Money: whoever minds the bill changes it too. */
export const SPENDING: Access = { create: MONEY, read: EVERYBODY, update: MONEY, delete: MONEY };
