// One message between page and session: a JSON head and bytes. As bidilab/bidi/io/browser/message.py.

export function encodeMessage(head, payload) {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const body = payload ? new Uint8Array(payload) : new Uint8Array(0);
  const message = new Uint8Array(4 + text.length + body.length);
  new DataView(message.buffer).setUint32(0, text.length, true);
  message.set(text, 4);
  message.set(body, 4 + text.length);
  return message.buffer;
}

export function decodeMessage(buffer) {
  const end = 4 + new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, end - 4)));
  return [head, buffer.slice(end)];
}
