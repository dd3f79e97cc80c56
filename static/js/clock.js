// Time on one task, active and idle apart. Active is time in which the page is in front, in focus and not paused, up to
// IDLE_AFTER_MS after the last sign of life; the rest is idle. No side effects on loading (see page.js).

export const IDLE_AFTER_MS = 30000;

export class Clock {
  constructor(now, isPresent) {
    this.active = 0;
    this.idle = 0;
    this.last = now;
    this.isPresent = isPresent;
  }

  /** Something happened at `now`: the time since the last thing is active, unless it was too long or nobody was there. */
  touch(now) {
    const gap = Math.max(0, now - this.last);
    if (this.isPresent && gap <= IDLE_AFTER_MS) this.active += gap;
    else this.idle += gap;
    this.last = now;
  }

  /** The person comes (true) or goes: the page hidden, another window in front, a pause. */
  setPresent(isPresent, now) {
    if (isPresent === this.isPresent) return;
    this.touch(now);
    this.isPresent = isPresent;
  }
}
