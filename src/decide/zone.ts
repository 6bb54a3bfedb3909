/** What the clocks of a time zone show. Pure: `Intl` knows the zones. */

const formats = new Map<string, Intl.DateTimeFormat>();

/** Is this a time zone by its IANA name (`Europe/Berlin`, `UTC`)? Offsets such as `+02:00` are none: they know no summer. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** How far the zone's clocks are ahead of UTC at an instant, in ms. Throws RangeError for an unknown zone. */
export function offsetMs(timeZone: string, wallMs: number): number {
  if (timeZone === "UTC") return 0;
  const atMs = Math.floor(wallMs / 1_000) * 1_000;
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(atMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - atMs;
}

/** Made once per zone: making one costs more than asking it a thousand times. */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const numeric = "2-digit";
    format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric });
    formats.set(timeZone, format);
  }
  return format;
}
