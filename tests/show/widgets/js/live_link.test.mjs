import assert from "node:assert/strict";
import test from "node:test";

globalThis.location ??= { origin: "http://127.0.0.1:8888" };
const { Link } = await import(`${process.env.BIDILAB_STATIC}/live_link.js`);
const { decodeMessage, encodeMessage } = await import(`${process.env.BIDILAB_STATIC}/live_message.js`);

class Model {
  sent = [];
  on(_name, heard) {
    this.heard = heard;
  }
  off() {}
  send(content, _callbacks, buffers) {
    this.sent.push([content, buffers]);
  }
}

class Socket {
  sent = [];
  closed = false;
  send(data) {
    this.sent.push(data);
  }
  close() {
    this.closed = true;
    this.onclose();
  }
}

function linked() {
  const model = new Model();
  const socket = new Socket();
  const heard = [];
  const link = new Link(model, { hear: (...said) => heard.push(said), changed: () => {}, open: () => socket });
  const offer = () =>
    model.heard({ kind: "socket", to: link.page, url: "ws://127.0.0.1:1/", greeting: "hello page", ticket: "T" }, []);
  return { model, socket, heard, link, offer };
}

test("a message goes there and back", () => {
  const [head, payload] = decodeMessage(encodeMessage({ kind: "mic", frame: 7 }, Uint8Array.of(1, 2, 3).buffer));
  assert.deepEqual(head, { kind: "mic", frame: 7 });
  assert.deepEqual([...new Uint8Array(payload)], [1, 2, 3]);
});

test("the comm is the way until the socket has greeted", () => {
  const { model, socket, heard, link, offer } = linked();
  offer();
  link.send({ kind: "tick", frame: 1 });
  assert.equal(model.sent.length, 1);
  socket.onmessage({ data: "hello page" });
  assert.equal(socket.sent[0], "T");
  assert.equal(link.way, "socket");
  link.send({ kind: "tick", frame: 2 });
  assert.equal(model.sent.length, 1);
  assert.deepEqual(decodeMessage(socket.sent[2])[0], { kind: "tick", frame: 2, page: link.page });
  socket.onmessage({ data: encodeMessage({ kind: "clear", response: 1 }) });
  assert.equal(heard.at(-1)[0].kind, "clear");
  socket.close();
  assert.equal(link.way, "comm");
});

test("a socket that does not know the greeting is told nothing", () => {
  const { socket, link, offer } = linked();
  offer();
  socket.onmessage({ data: "who are you" });
  assert.deepEqual(socket.sent, []);
  assert.ok(socket.closed);
  assert.equal(link.way, "comm");
});

test("what is for another page is not heard, and a payload comes as its own bytes", () => {
  const { model, heard, link } = linked();
  model.heard({ kind: "tally", to: "another" }, []);
  assert.equal(heard.length, 0);
  const bytes = Uint8Array.of(9, 9, 1, 2, 9).buffer;
  model.heard({ kind: "frames", to: link.page }, [new DataView(bytes, 2, 2)]);
  assert.deepEqual([...new Uint8Array(heard[0][1])], [1, 2]);
});

test("what the server left out is asked for, and then heard in order", () => {
  const { model, heard, link } = linked();
  const told = (n, kind) => model.heard({ kind, to: link.page, line: "a", n }, []);
  told(0, "tally");
  told(2, "frames");
  assert.deepEqual(heard.map(([{ kind }]) => kind), ["tally"]);
  assert.deepEqual(model.sent, [[{ kind: "again", line: "a", from: 1, until: 2, page: link.page }, undefined]]);
  told(1, "play");
  assert.deepEqual(heard.map(([{ kind }]) => kind), ["tally", "play", "frames"]);
});
