// A user sends a chat message and reads the streamed answer.
import exec from 'k6/execution';
import { pick, timed } from './run.js';
import { questions } from './questions.js';
export { options } from './run.js';

export default function () {
  timed('chat', () => ({
    message: questions[pick(questions.length)],
    session_id: `load-test-${exec.vu.idInTest}`,
    stream: true,
  }));
}
