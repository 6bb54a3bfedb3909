/** Does a series swing with a period of its own? Periodograms, and how far one period stands out of those around it. */

/** Power by the number of cycles in the whole series, from 1 to `most`; of what is left when its straight trend is taken out, faded in and out. */
export function periodogram(series: readonly number[], most: number): readonly number[] {
  const size = series.length;
  const middle = (size - 1) / 2;
  const mean = series.reduce((sum, value) => sum + value, 0) / size;
  let along = 0;
  let squares = 0;
  for (const [i, value] of series.entries()) {
    along += (i - middle) * value;
    squares += (i - middle) ** 2;
  }
  const slope = squares === 0 ? 0 : along / squares;
  const shaped = series.map((value, i) => (value - mean - slope * (i - middle)) * (0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / size)));
  return Array.from({ length: Math.min(most, Math.floor(size / 2)) }, (_, i) => {
    let cosine = 0;
    let sine = 0;
    for (const [at, value] of shaped.entries()) {
      const angle = (2 * Math.PI * (i + 1) * at) / size;
      cosine += value * Math.cos(angle);
      sine += value * Math.sin(angle);
    }
    return cosine ** 2 + sine ** 2;
  });
}

/**
 * Power at so many cycles in the series and at the two next to it, over the median of the octaves around them, of several series of one
 * length together. A pressure is the sum of its past, so its slow swings are always the larger ones: over the whole spectrum its median is
 * that of its finest noise. What stands out stands out of its neighbours. About 1.5 where nothing does.
 */
export function standsOut(all: readonly (readonly number[])[], cycles: number): number {
  const most = 2 * cycles;
  const sum = new Array<number>(most).fill(0);
  for (const series of all) {
    const power = periodogram(series, most);
    // Each series weighs as much, however large its swings are.
    const whole = power.reduce((one, other) => one + other, 0);
    for (const [i, one] of power.entries()) sum[i] = (sum[i] as number) + one / Math.max(whole, Number.MIN_VALUE);
  }
  const around = sum.slice(Math.floor(cycles / 2) - 1).toSorted((a, b) => a - b);
  const near = sum.slice(cycles - 2, cycles + 1);
  return near.reduce((one, other) => one + other, 0) / near.length / Math.max(around[Math.floor(around.length / 2)] as number, Number.MIN_VALUE);
}
