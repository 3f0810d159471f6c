"use strict";
// The board arrives whole after every change; between changes only the clocks move, here.

const STATES = { offline: "离线 Offline", idle: "空闲 Idle", ringing: "振铃 Ringing", talking: "通话 Talking",
  wrap_up: "整理 Wrap-up", paused: "小休 Paused" };
const STAGES = { arriving: "接入 Arriving", flow: "自助 Self-service", waiting: "等待 Waiting", ringing: "振铃 Ringing",
  dialling: "外呼 Dialling", talking: "通话 Talking" };
const MODES = { monitor: "旁听 Listen", coach: "密语 Coach", barge: "强插 Barge in", take_over: "接管 Take over" };
const CLICKED = { phone: "您的话机正在振铃，请接听 Your phone rings: answer it", dialling: "正在呼叫 Calling",
  talking: "已接通 Connected", over: "通话已结束 The call is over" };
// SIP status → why, at the agent's own phone and at whom the agent wants.
const AT_PHONE = { 408: "您的话机无人接听 Your phone was not answered",
  480: "您的话机联系不上 Your phone cannot be reached", 486: "您的话机忙或拒接 Your phone is busy, or refused",
  603: "您的话机拒接 Your phone refused" };
const AT_TARGET = { 403: "不允许拨打此号码 This number may not be dialled", 404: "号码不存在 There is no such number",
  408: "对方无人接听 Nobody answered", 480: "对方无人接听 Nobody answered", 484: "号码不完整 The number is incomplete",
  486: "对方忙 Busy", 503: "线路不可用 No line is available", 600: "对方忙 Busy", 603: "对方拒接 Declined" };
const LONG_WAIT = 60;
const byId = (id) => document.getElementById(id);
let board = null;
let clicked = ""; // the call that was asked for on this page
let ahead = 0; // seconds by which this machine's clock is before the server's

const now = () => Date.now() / 1000 - ahead;
const span = (seconds) => {
  const s = Math.max(0, Math.floor(seconds));
  const rest = `${String(Math.floor(s / 60) % 60).padStart(2, "0")}:${String(s % 60).padStart(2, "0")}`;
  return s < 3600 ? rest : `${Math.floor(s / 3600)}:${rest}`;
};
const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)}%`);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function row(cells) {
  const made = element("tr");
  for (const cell of cells) made.append(cell);
  return made;
}

const text = (value) => element("td", value);
const number = (value, late) => element("td", value, late ? "n late" : "n");

function clock(since, late = false, name = "td") {
  const made = element(name, span(now() - since), name === "td" ? "n" : "");
  made.dataset.since = since;
  if (late) made.dataset.late = LONG_WAIT;
  return made;
}

function fill(body, rows, columns) {
  const empty = element("td", "暂无 None", "none");
  empty.colSpan = columns;
  body.replaceChildren(...(rows.length ? rows : [row([empty])]));
}

function queueRow(queue) {
  const name = element("th", queue.title);
  name.scope = "row";
  const longest = queue.waiting ? clock(board.now - queue.longest_wait, true) : number("–");
  return row([name, number(queue.waiting), longest, number(queue.talking), number(queue.idle_agents),
    number(queue.answered), number(queue.abandoned), number(queue.overflowed), number(percent(queue.service_level))]);
}

function agentCard(agent) {
  const card = element("li");
  card.dataset.state = agent.state;
  const who = element("div", undefined, "who");
  who.append(element("span", agent.name), element("span", agent.id === agent.name ? "" : agent.id));
  const what = element("div", undefined, "what");
  what.append(element("span", STATES[agent.state] ?? agent.state), clock(agent.since, false, "span"));
  const skills = Object.entries(agent.skills).map(([skill, level]) => `${skill} ${level}`).join(" · ");
  const busy = element("div", `占用率 Occupancy ${percent(agent.occupancy)}`, "skills");
  card.append(who, what, element("div", agent.fixed ? "固定话机 Fixed phone" : skills, "skills"), busy);
  return card;
}

// What a supervisor does is asked for here; what came of it arrives with the board.
async function ask(call, method, wish) {
  const answer = await fetch(`/api/calls/${call.id}/supervision`, { method, body: wish && JSON.stringify(wish) });
  byId("refused").textContent = answer.ok ? "" : (await answer.json()).problem;
}

function button(label, action, pressed) {
  const made = element("button", label);
  made.type = "button";
  made.setAttribute("aria-pressed", pressed);
  made.addEventListener("click", action);
  return made;
}

function supervision(call) {
  const cell = element("td", undefined, "seats");
  if (call.stage !== "talking" && !call.supervisor) return cell;
  const phone = call.supervisor || byId("seat").value.trim();
  if (phone) cell.append(...Object.entries(MODES).map(([mode, label]) =>
    button(label, () => ask(call, "PUT", { phone, mode }), mode === call.supervision)));
  if (call.supervisor) cell.append(button(`结束 End (${call.supervisor})`, () => ask(call, "DELETE"), false));
  return cell;
}

function callRow(call) {
  const title = board.queues.find((queue) => queue.name === call.queue)?.title ?? call.queue;
  const agent = board.agents.find((one) => one.id === call.agent)?.name ?? call.agent;
  return row([text(call.caller || "未显示 Withheld"), text(call.called), text(STAGES[call.stage] ?? call.stage),
    text(title), text(agent), supervision(call), clock(call.since, call.stage === "waiting"), clock(call.began)]);
}

function sayDialled(words, failed) {
  byId("dialled").textContent = words;
  byId("dialled").dataset.failed = failed ? "yes" : "no";
}

function showClick() {
  const click = board?.clicks.find((one) => one.id === clicked);
  if (!click) return;
  const why = (click.failed_at === "phone" ? AT_PHONE : AT_TARGET)[click.status];
  if (click.stage === "failed") sayDialled(why ?? `未接通 Not answered (${click.status})`, true);
  else sayDialled(CLICKED[click.stage], false);
}

async function dial(event) {
  event.preventDefault();
  clicked = "";
  sayDialled("", false);
  const path = `/api/agents/${encodeURIComponent(byId("dialler").value)}/calls`;
  try {
    const answer = await fetch(path, { method: "POST", body: JSON.stringify({ to: byId("target").value }) });
    const told = await answer.json();
    if (!answer.ok) return sayDialled(told.problem, true);
    clicked = told.id;
    showClick();
  } catch {
    sayDialled("服务器没有回应 The server does not answer", true);
  }
}

function diallers(people) {
  const select = byId("dialler");
  const names = people.map((agent) => [agent.id, agent.id === agent.name ? agent.id : `${agent.name} ${agent.id}`]);
  if (select.dataset.names === String(names)) return; // a list that is open stays open
  const chosen = select.value || localStorage.getItem("dialler");
  select.replaceChildren(...names.map(([id, name]) => new Option(name, id, false, id === chosen)));
  select.dataset.names = names;
}

function show() {
  const { calls, queues, agents } = board;
  const people = agents.filter((agent) => !agent.fixed);
  const longest = Math.max(0, ...queues.map((queue) => queue.longest_wait));
  byId("sum-calls").textContent = calls.length;
  byId("sum-waiting").textContent = queues.reduce((sum, queue) => sum + queue.waiting, 0);
  byId("sum-longest").replaceChildren(longest ? clock(board.now - longest, true, "span") : "–");
  byId("sum-idle").textContent = `${people.filter((agent) => agent.state === "idle").length}/${people.length}`;
  fill(byId("queues"), queues.map(queueRow), 9);
  fill(byId("calls"), calls.map(callRow), 8);
  diallers(people);
  showClick();
  byId("agents").replaceChildren(...agents.map(agentCard));
  tick();
}

function tick() {
  for (const each of document.querySelectorAll("[data-since]")) {
    const passed = now() - Number(each.dataset.since);
    each.textContent = span(passed);
    each.classList.toggle("late", each.dataset.late !== undefined && passed > Number(each.dataset.late));
  }
}

function linked(up) {
  const link = byId("link");
  link.dataset.up = up ? "yes" : "no";
  link.replaceChildren(up ? "实时 " : "连接中断，正在重连… ", element("span", up ? "Live" : "Reconnecting"));
  link.lastChild.lang = "en";
}

function connect(pause = 500) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
  socket.onmessage = (message) => {
    board = JSON.parse(message.data);
    ahead = Date.now() / 1000 - board.now;
    pause = 500;
    linked(true);
    show();
  };
  socket.onclose = () => {
    linked(false);
    setTimeout(connect, pause, Math.min(pause * 2, 10000));
  };
}

byId("seat").value = localStorage.getItem("seat") ?? "";
byId("seat").addEventListener("input", () => {
  localStorage.setItem("seat", byId("seat").value.trim());
  if (board) show();
});
byId("dial").addEventListener("submit", dial);
byId("dialler").addEventListener("change", () => localStorage.setItem("dialler", byId("dialler").value));
setInterval(tick, 1000);
connect();
