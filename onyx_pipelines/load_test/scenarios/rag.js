// A user searches; no answer is generated (the objective of 200 ms is for retrieval).
import { pick, timed } from './run.js';
import { questions } from './questions.js';
export { options } from './run.js';

export default function () {
  timed('rag', () => ({ query: questions[pick(questions.length)], top_k: 5 }));
}
