/** Envelopes of Sentry's protocol: a line for the whole, a line for the item, the item. Pure. */

/** Of one event, as it is kept until it is sent. */
export function envelopeOf(event) {
  const payload = Buffer.from(JSON.stringify(event));
  const head = JSON.stringify({ event_id: event.event_id });
  const item = JSON.stringify({ type: "event", length: payload.length });
  return Buffer.concat([Buffer.from(`${head}\n${item}\n`), payload, Buffer.from("\n")]);
}

/**
 * As it is sent: a tracker compares its clock with `sent_at`, and would move the times of an event that
 * had waited.
 *
 * @throws {SyntaxError} it is no envelope
 */
export function sent(envelope) {
  const end = envelope.indexOf("\n");
  const head = { ...JSON.parse(envelope.subarray(0, end).toString()), sent_at: new Date() };
  return Buffer.concat([Buffer.from(JSON.stringify(head)), envelope.subarray(end)]);
}
