/**
 * The pressure of one objective: what a unit of its risk is worth now, in nano-dollars. A PI controller, in the logarithm, on the
 * burn of the predicted risk of what is chosen, corrected by what came true of the predictions. Near zero while the error budget
 * is not at risk. It acts on predictions since counts of rare failures come too late and too coarse to steer by.
 */
import { BudgetRing, type RingState } from "./budget-ring.ts";
import type { ObjectiveWindow } from "../objective/types.ts";

/** Burn is steered to this: a tenth of the budget is kept. */
const SETPOINT = 0.9;
const GAIN = 3;
const THETA_START = 2;
const THETA_LEAST = -3;
/** θ and the whole exponent stay below: λ is at most about 9,000 times the reference price. */
const EXPONENT_MOST = 8;
/** λ is cut to 0 where it would be a trifle. */
const OFFSET = 0.075;
/** As if half of what may go wrong were predicted and more: a new route begins careful, at about 14 times the reference price. */
const START_BURN = 0.75;
/** θ moves by the requests of so long, and the prediction by those of so long at least. */
export const MEMORY_S = 1_200;
/**
 * What is predicted errs for as long as what few failures taught is remembered, an hour or so, and λ would go after each such error. So the
 * mean reaches over a tenth of all that was chosen, up to a ninth of the window, or eight times the span above: it errs less, and still
 * follows sooner than λ comes to rest.
 */
const PART_OF_SEEN = 0.1;
const PART_OF_WINDOW = 1 / 9;
const SPANS_MOST = 8;
const LEAST_PREDICTIONS = 500;
const LEAST_STEPS = 1_000;
const LEAST_REALISED = 2_000;
/** As if so many failures had been predicted, and had come: the correction needs evidence. */
const PRIOR_FAILURES = 10;
const CORRECTION_LEAST = 0.3;
const CORRECTION_MOST = 20;
/**
 * The outer loop acts in the last twentieth of the budget only: a stronger one swings with the window, and one that begins at the tenth
 * that is kept would act on chance alone, every other hour.
 */
const LAST_PART = 0.05;
const ALLOWED_AT_END = 0.5;
const ALLOWED_LEAST = 0.1;

/** Which share of the budget may be burnt by the requests to come, by what is left of it in the window. */
export function allowanceOf(left: number): number {
  return left >= LAST_PART ? 1 : Math.max(ALLOWED_LEAST, ALLOWED_AT_END + ((1 - ALLOWED_AT_END) / LAST_PART) * left);
}

/** λ as a multiple of the reference price. */
export function multipleOf(theta: number, burn: number): number {
  return 3 * Math.max(0, Math.exp(Math.min(theta + GAIN * (burn - SETPOINT), EXPONENT_MOST)) - OFFSET);
}

export interface PressureState {
  readonly target: number;
  readonly window: ObjectiveWindow;
  readonly predicted: number;
  readonly predictedSum: number;
  readonly realisedSum: number;
  readonly theta: number;
  readonly boundFor: number;
  readonly ring: RingState | null;
  /** Absent: it was saved before this was. */
  readonly seen?: number;
}

/** What an owner is shown. */
export interface PressureView {
  /** Of the budget: 1 burns it up just at the window's end. */
  readonly burn: number;
  /** Of the error budget in the window; below 0: overspent. */
  readonly left: number;
  /** λ as a multiple of the reference price. */
  readonly multiple: number;
  /** At its bound for so long that no candidate can meet the objective. */
  readonly infeasible: boolean;
}

export class ObjectivePressure {
  readonly #target: number;
  readonly #window: ObjectiveWindow;
  /** b: the share that may be bad. */
  readonly #budget: number;
  readonly #windowS: number;
  readonly #ring: BudgetRing;
  /** p: mean predicted risk of what is chosen. */
  #predicted: number;
  /** How many choices were made. */
  #seen = 0;
  /** The longest memory of p, in spans of `MEMORY_S`. */
  readonly #spans: number;
  /** H and B: what was predicted, and what came. */
  #predictedSum = 0;
  #realisedSum = 0;
  #theta = THETA_START;
  #multiple: number;
  #burn = START_BURN;
  #stale = false;
  /** Choices in a row that were made at the bound, and how many of them prove the objective out of reach. */
  #boundFor = 0;
  #steps = LEAST_STEPS;

  constructor(target: number, window: ObjectiveWindow) {
    this.#target = target;
    this.#window = window;
    this.#budget = 1 - target;
    this.#windowS = (window.kind === "rolling" ? window.lengthMs : 30 * 86_400_000) / 1_000;
    this.#spans = Math.min(SPANS_MOST, (PART_OF_WINDOW * this.#windowS) / MEMORY_S);
    this.#ring = new BudgetRing(window);
    this.#predicted = START_BURN * this.#budget;
    this.#multiple = multipleOf(THETA_START, START_BURN);
  }

  /** A choice was made whose predicted risk is `risk`; `recent`: the requests of the last `MEMORY_S`, decayed. */
  chosen(risk: number, recent: number, wallMs: number): void {
    const memory = Math.max(LEAST_PREDICTIONS, recent, Math.min(PART_OF_SEEN * this.#seen, this.#spans * recent));
    this.#seen += 1;
    this.#predicted += (risk - this.#predicted) / memory;
    const fade = 1 / Math.max(LEAST_REALISED, (recent / MEMORY_S) * (this.#windowS / 3));
    this.#predictedSum += risk - fade * this.#predictedSum;
    this.#realisedSum -= fade * this.#realisedSum;
    this.#ring.turnTo(wallMs);
    this.#refresh(wallMs);
    this.#steps = Math.max(LEAST_STEPS, recent);
    const pull = Math.max(-1, Math.min(1, this.#burn - SETPOINT));
    this.#theta = Math.max(THETA_LEAST, Math.min(EXPONENT_MOST, this.#theta + pull / this.#steps));
    this.#multiple = multipleOf(this.#theta, this.#burn);
    this.#boundFor = this.#theta + GAIN * (this.#burn - SETPOINT) >= EXPONENT_MOST ? this.#boundFor + 1 : 0;
  }

  /** A valid request has ended, badly or well. */
  ended(bad: boolean, wallMs: number): void {
    this.#ring.add(bad, wallMs);
    if (!bad) return;
    this.#realisedSum += 1;
    this.#stale = true;
  }

  /** λ as a multiple of the reference price. */
  multiple(wallMs: number): number {
    if (this.#stale) {
      this.#refresh(wallMs);
      this.#multiple = multipleOf(this.#theta, this.#burn);
    }
    return this.#multiple;
  }

  view(wallMs: number): PressureView {
    return { multiple: this.multiple(wallMs), burn: this.#burn, left: this.#left(wallMs), infeasible: this.#boundFor >= this.#steps };
  }

  /** Plain values, for `restore` after a restart. */
  save(): PressureState {
    return {
      target: this.#target,
      window: this.#window,
      predicted: this.#predicted,
      predictedSum: this.#predictedSum,
      realisedSum: this.#realisedSum,
      theta: this.#theta,
      boundFor: this.#boundFor,
      ring: this.#ring.save(),
      seen: this.#seen,
    };
  }

  /** False, and nothing is taken over: it was saved of another objective, or is not whole. */
  restore(state: PressureState, wallMs: number): boolean {
    if (!isWhole(state) || state.target !== this.#target || !sameWindow(state.window, this.#window)) return false;
    this.#predicted = state.predicted;
    this.#predictedSum = state.predictedSum;
    this.#realisedSum = state.realisedSum;
    this.#theta = Math.max(THETA_LEAST, Math.min(EXPONENT_MOST, state.theta));
    this.#boundFor = state.boundFor;
    this.#ring.restore(state.ring ?? null, wallMs);
    this.#seen = Number.isFinite(state.seen) ? Math.max(0, state.seen as number) : 0;
    this.#stale = true;
    return true;
  }

  #refresh(wallMs: number): void {
    const came = (this.#realisedSum + PRIOR_FAILURES) / (this.#predictedSum + PRIOR_FAILURES);
    const corrected = this.#predicted * Math.max(CORRECTION_LEAST, Math.min(CORRECTION_MOST, came));
    this.#burn = corrected / (this.#budget * allowanceOf(this.#left(wallMs)));
    this.#stale = false;
  }

  #left(wallMs: number): number {
    const bad = this.#ring.bad;
    return bad === 0 ? 1 : 1 - bad / (this.#budget * this.#ring.expected(wallMs));
  }
}

/** What is no number would never become one again: each step goes on from the last. */
function isWhole({ window, predicted, predictedSum, realisedSum, theta, boundFor }: Partial<PressureState>): boolean {
  return typeof window === "object" && window !== null && Number.isFinite(theta) && [predicted, predictedSum, realisedSum, boundFor].every((one = -1) => Number.isFinite(one) && one >= 0);
}

function sameWindow(one: ObjectiveWindow, other: ObjectiveWindow): boolean {
  if (one.kind === "rolling") return other.kind === "rolling" && one.lengthMs === other.lengthMs;
  return other.kind === "month" && one.zone === other.zone;
}
