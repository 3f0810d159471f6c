// A telephone on a page. JsSIP signals; what happens is put into `phone.told`, which the test empties.
"use strict";

// JsSIP signals for whatever describes itself as a browser's RTCPeerConnection does. This one describes plain RTP, which a
// server without DTLS can take: the signalling of whole calls is seen without the browser's own media.
class PlainRtp extends EventTarget {
  static at = ["127.0.0.1", 9];
  iceGatheringState = "complete";
  iceConnectionState = "connected";
  signalingState = "stable";

  async createOffer() { return this.describe("offer"); }
  async createAnswer() { return this.describe("answer"); }
  async setLocalDescription(description) { this.localDescription = description; }
  async setRemoteDescription(description) { this.remoteDescription = description; }
  addTrack() {}
  getSenders() { return []; }
  close() { this.signalingState = "closed"; }

  describe(type) {
    const [host, port] = PlainRtp.at;
    const lines = ["v=0", `o=- 1 1 IN IP4 ${host}`, "s=-", `c=IN IP4 ${host}`, "t=0 0", `m=audio ${port} RTP/AVP 8`,
      "a=rtpmap:8 PCMA/8000", "a=sendrecv"];
    return { type, sdp: lines.join("\r\n") + "\r\n" };
  }
}

const phone = {
  told: [],
  calls: [],

  tell(event, details = {}) { this.told.push({ event, ...details }); },

  start({ url, user, password, host, plain }) {
    if (plain) {
      PlainRtp.at = plain;
      window.RTCPeerConnection = PlainRtp;
    }
    this.socket = new JsSIP.WebSocketInterface(url);
    this.silence = new AudioContext().createMediaStreamDestination().stream;
    this.ua = new JsSIP.UA({
      sockets: [this.socket], uri: `sip:${user}@${host}`, password, register_expires: 300,
      connection_recovery_min_interval: 1, connection_recovery_max_interval: 1,
    });
    this.ua.on("connected", () => this.tell("open"));
    this.ua.on("disconnected", () => this.tell("closed"));
    this.ua.on("registered", () => this.tell("registered"));
    this.ua.on("registrationFailed", ({ response, cause }) =>
      this.tell("register_failed", { status: response?.status_code ?? 0, reason: cause }));
    this.ua.on("unregistered", () => this.tell("unregistered"));
    this.ua.on("newRTCSession", ({ session, request, originator }) => {
      this.calls.push(session);
      if (originator === "remote") this.tell("incoming", { from_user: request.from.uri.user });
      this.follow(session);
    });
    this.ua.start();
  },

  follow(session) {
    session.on("progress", ({ originator, response }) =>
      originator === "remote" && this.tell("progress", { status: response.status_code }));
    session.on("accepted", () => this.tell("accepted"));
    session.on("confirmed", () => this.tell("connected"));
    session.on("ended", ({ originator, cause }) => this.tell("ended", { by: originator, reason: cause }));
    session.on("failed", ({ originator, cause, message }) => this.tell("failed", {
      by: originator, reason: cause, status: message?.status_code ?? 0,
      warning: message?.getHeader?.("Warning") ?? "",
    }));
  },

  media() { return { mediaStream: this.silence, mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } }; },
  call(uri) { this.ua.call(uri, this.media()); },
  latest() { return this.calls.at(-1); },
  answer() { this.latest().answer(this.media()); },
  hangUp(status) { this.latest().terminate(status ? { status_code: status } : {}); },
  hold(resume) {
    const session = this.latest(), [change, event] = resume ? ["unhold", "resumed"] : ["hold", "held"];
    const answered = () => session.connection.remoteDescription.sdp.match(/^a=(send\w+|recvonly|inactive)/m)[1];
    session[change]({}, () => this.tell(event, { answered: answered() }));
  },
  press(key) { this.latest().sendDTMF(key); },

  // As where the network changes: JsSIP has not asked for it.
  loseSocket() { this.socket._ws.close(); },

  // Requests outside calls: the status of the final response is told.
  ask(method, uri, text) {
    const eventHandlers = {
      succeeded: ({ response }) => this.tell("answered", { method, status: response.status_code }),
      failed: ({ response }) => this.tell("answered", { method, status: response?.status_code ?? 0 }),
    };
    if (method === "MESSAGE") this.ua.sendMessage(uri, text, { eventHandlers });
    else this.ua.sendOptions(uri, undefined, { eventHandlers });
  },
};
window.phone = phone;
