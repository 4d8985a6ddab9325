// Does with the client's own schedule what it reads, and writes the waits in milliseconds.
import { readFileSync } from 'node:fs';

let step;
performance.now = () => step.at;
Math.random = () => step.random;
const { createSchedule } = await import(`${process.argv[2]}/schedule.js`);

const waits = [];
for (const life of JSON.parse(readFileSync(0, 'utf8'))) {
  step = life[0];
  const schedule = createSchedule(5000, true);
  for (step of life) {
    if (step.does === 'active') schedule.active();
    if (step.does === 'next') waits.push((schedule.succeeded(), schedule.next(step.given)));
    if (step.does === 'backoff') waits.push(schedule.backoff(step.given));
  }
}
console.log(JSON.stringify(waits));
