// What people ask: different lengths, so that answers and caches differ too.
export const questions = [
  'What did the board decide about the pricing of the new plan?',
  'Summarise the incident of last Tuesday in three sentences.',
  'Which customers have mentioned latency since September, and what did they say about it?',
  'Who owns the ingestion service?',
  'List the open risks of the December launch and how each of them is mitigated.',
  'How do we rotate the credentials of the object store?',
  'Compare the retention rules of backups with those of logs and explain where they differ.',
  'What is our uptime target?',
  'Find the onboarding checklist for new engineers.',
  'Which documents describe the schema of the vector collections and when were they changed?',
  'What happens to a chat when the model does not answer within a minute?',
  'Give me the contact for the hosting provider and the terms of its support contract.',
];
