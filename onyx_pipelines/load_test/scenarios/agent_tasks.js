// A user gives an agent a task of several steps and waits for the result.
import { pick, timed } from './run.js';
import { questions } from './questions.js';
export { options } from './run.js';

export default function () {
  timed('agent_tasks', () => ({ task: questions[pick(questions.length)], steps: 3 }));
}
